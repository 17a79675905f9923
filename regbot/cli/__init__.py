"""The command: one file a family of commands."""
