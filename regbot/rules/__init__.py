"""What decides from data which images are kept."""
