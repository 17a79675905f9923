"""Many calls with one meaning: walk, measure, copy and plan the removal of an image."""
