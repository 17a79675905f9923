"""When and how scripts run: one run, the schedule, and the bot that puts the parts together."""
