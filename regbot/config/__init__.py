"""The YAML file: read with line marks, templates filled in, validated."""
