"""regbot: Lua scripts on a schedule that look after container registries."""
