"""Runs whose units many machines do, by a queue in their common database."""
