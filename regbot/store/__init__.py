"""The content of a repository behind one protocol."""
