"""Reports on a run, for people, spreadsheets and programs."""
