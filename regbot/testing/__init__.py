"""Tests of scripts without a registry."""
