"""Lua scripts: the sandbox, the values that cross its border, and the bindings."""
