"""Copies of images that are kept up: what is copied where, as data."""
