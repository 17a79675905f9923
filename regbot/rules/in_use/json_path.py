"""Paths into JSON values, as kubectl writes them: ``.spec.template.spec.containers[*].image``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from regbot.errors import InvalidValue
from regbot.values import dataclass

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z0-9_-]+)
      | \[(?P<number>\d{1,6})\]
      | \[(?P<quote>['"])(?P<quoted>[^'"]+)(?P=quote)\]
      | (?P<all>\[\*\]|\.\*)""",
    re.VERBOSE,
)

Step = str | int | None
"""A key of an object, a place in an array, or all that either holds."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path: keys, places and ``[*]`` for all. Braces and ``$`` around it are allowed."""

    text: str
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read a path. Raises InvalidValue that says where it can't be read."""
        body = text.strip()
        if body.startswith("{") and body.endswith("}"):
            body = body[1:-1].strip()
        body = body.removeprefix("$")
        if body and body[0] not in ".[":
            body = f".{body}"
        steps: list[Step] = []
        end = 0
        while end < len(body):
            match = _STEP.match(body, end)
            if match is None:
                raise InvalidValue(f"the path {text!r} can't be read from {body[end:]!r} on")
            number = match["number"]
            key = match["name"] or match["quoted"]
            steps.append(None if match["all"] else int(number) if number else key)
            end = match.end()
        if not steps:
            raise InvalidValue(f"the path {text!r} is empty")
        return cls(text, tuple(steps))

    def values(self, root: object) -> Iterator[object]:
        """What the path leads to; nothing where a part of it is not there."""
        values: Iterable[object] = [root]
        for step in self.steps:
            values = [below for value in values for below in _below(value, step)]
        yield from values


def _below(value: object, step: Step) -> list[object]:
    if isinstance(value, dict):
        if step is None:
            return list(value.values())
        return [value[step]] if step in value else []
    if isinstance(value, list):
        if step is None:
            return value
        return [value[step]] if isinstance(step, int) and step < len(value) else []
    return []
