"""Reads scripts without running them: what would fail, and what is likely a mistake."""
