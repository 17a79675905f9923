"""What became of a run, for people, spreadsheets and programs."""
