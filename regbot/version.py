"""The version, and nothing else: read by the build and by ``regbot version``."""

__version__ = "0.1.0"
