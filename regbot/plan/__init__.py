"""What a script wants to change, and the one door through which it does."""
