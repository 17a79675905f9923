"""Where images run: sources that the user names, and what they say."""
