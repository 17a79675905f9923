"""What ``regbot init`` proposes: a first config and its test, after a look at a registry."""
