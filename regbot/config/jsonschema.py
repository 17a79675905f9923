"""The JSON Schema of a file, for editors: made of its sections, their keys and their kinds."""

from __future__ import annotations

import json

from regbot.config.section import Section

_DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that editors know everywhere."""


def schema_text(root: type[Section], title: str) -> str:
    """The schema of a file, as JSON."""
    schema = {"$schema": _DRAFT, "title": title, **root.shape()}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
