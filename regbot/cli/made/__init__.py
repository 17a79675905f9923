"""Commands that are made from the functions scripts have."""
