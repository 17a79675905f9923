"""Values of the OCI specs; no I/O."""
