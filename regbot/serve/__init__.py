"""What a server shows over HTTP: health, metrics and pages."""
