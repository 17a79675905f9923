"""What a script can call: one file a namespace."""
