"""Patterns of names: globs, or regular expressions after ``regex:``; they fit whole names."""

from __future__ import annotations

import re
from dataclasses import field
from fnmatch import translate
from typing import TYPE_CHECKING

from regbot.errors import InvalidValue
from regbot.values import dataclass

if TYPE_CHECKING:
    import regex

_REGEX = "regex:"
_LONGEST = 1.0
"""Seconds that one expression may take for one name."""
_PART = re.compile(r"\[!?+\]?+[^\]]*\]|.", re.DOTALL)
"""A set in brackets, or one character."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of names, as it was written, and the expression that it means."""

    text: str
    expression: re.Pattern[str] | regex.Pattern[str] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern. Raises InvalidValue for a broken one, and for an empty one."""
        if not text.removeprefix(_REGEX):
            raise InvalidValue("an empty pattern fits nothing")
        if text.startswith(_REGEX):
            return cls.of_expression(text.removeprefix(_REGEX), text)
        return cls(text, re.compile(translate(text)))

    @classmethod
    def of_expression(cls, expression: str, text: str = "") -> Pattern:
        """A regular expression; ``text`` is how it was written. Raises InvalidValue."""
        import regex

        try:
            return cls(text or expression, regex.compile(expression))
        except (regex.error, OverflowError, RecursionError) as error:
            what = repr(text or expression)
            raise InvalidValue(f"{what} is not a regular expression: {error}") from None

    @property
    def is_plain(self) -> bool:
        """Whether it is a name itself, and fits no other."""
        return not self.text.startswith(_REGEX) and not set(self.text) & set("*?[")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a glob: sets in brackets and single characters. None of a ``regex:``."""
        return () if self.text.startswith(_REGEX) else tuple(_PART.findall(self.text))

    def fits(self, name: str) -> bool:
        """Whether it fits a whole name. Raises as ``groups`` does."""
        return self.groups(name) is not None

    def groups(self, name: str) -> tuple[str, ...] | None:
        """The groups where it fits a whole name, else None.

        Raises InvalidValue for an expression that takes too long, as some take ages.
        """
        if isinstance(self.expression, re.Pattern):
            return () if self.expression.fullmatch(name) else None
        try:
            match = self.expression.fullmatch(name, timeout=_LONGEST)
        except TimeoutError:
            raise InvalidValue(f"{self.text!r} takes too long to be tried on {name}") from None
        return match.groups(default="") if match else None


def can_be(part: str, characters: str) -> bool:
    """Whether a part of a glob fits any of these characters."""
    if len(part) == 1:
        return part in "*?" or part in characters
    expression = re.compile(translate(part))
    return any(map(expression.fullmatch, characters))
