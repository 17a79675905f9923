"""One exchange with one registry host."""
