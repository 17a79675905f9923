"""Runs scripts: a single run, the schedule, and the bot that connects all parts."""
