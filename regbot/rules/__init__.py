"""What decides from data which images stay: retention rules, and images in use."""
