"""What scripts/bench runs: the work it measures, and the table it prints."""
