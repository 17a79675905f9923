"""What past runs did, and the manifests they took away, kept so that it can be undone."""
