"""Tells people and other programs what became of runs."""
