"""The journal: what past runs changed, and the manifests they deleted, so that undo works."""
