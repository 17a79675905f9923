"""One limit a host over all processes that work with one database."""
