"""The kinds of values that only test files have: dates, images, names. All raise Mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from regbot.config.document import ListNode, MappingNode, Mistake, Scalar
from regbot.config.fields import Expected, clean_text_of, text_of, unexpected, word_of
from regbot.config.section import Kind, Listing, Value
from regbot.config.shapes import (
    ANY_TEXT,
    Shape,
    any_of,
    list_of,
    number,
    shape_of,
    shaped,
    table_of,
    text,
)
from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.patterns import Pattern
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.units import parse_duration, parse_moment
from regbot.values import dataclass

DATE = Expected("a date or an age", "write one such as 2026-01-31 or 40d, or unknown")
MOMENT = Expected("a date", "write one such as 2026-01-31T12:00:00Z")
TEXTS = Expected("a mapping of texts", "write one such as {stage: tested}")
NAMES = Expected("a list of names", "write one such as [latest, v1.0]")
PLATFORMS = Expected("a list of platforms", "write one such as [linux/amd64]")
STATUS = Expected("an HTTP status", "write one from 400 to 599, such as 429")
_UNKNOWN = "unknown"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class When:
    """A date, an age before the test's ``now``, both in seconds, or neither: unknown."""

    date: float | None = None
    age: float | None = None

    @classmethod
    def parse(cls, text: str) -> When:
        """Read a date, an age or ``unknown``. Raises InvalidValue."""
        if text == _UNKNOWN:
            return cls()
        try:
            return cls(age=parse_duration(text))
        except InvalidValue:
            return cls(date=parse_moment(text))

    def at(self, now: float) -> float | None:
        """Seconds since 1970, or None."""
        return now - self.age if self.age is not None else self.date


@shaped(text("40d", "2026-01-31", "unknown"))
def when_of(value: Value) -> When:
    """A date, an age or ``unknown``."""
    text = word_of(value, DATE)
    try:
        return When.parse(text)
    except InvalidValue:
        raise unexpected(text, DATE) from None


@shaped(text("registry.example.org/team/app:v1"))
def image_of(value: Value) -> Reference:
    """An image, by its registry, repository, and tag or digest."""
    text = clean_text_of(value)
    try:
        reference = Reference.parse(text, default_tag=None)
    except InvalidValue as error:
        raise Mistake(f"{error} (write one such as registry.example.org/team/app:v1)") from None
    if reference.tag is None and reference.digest is None:
        raise Mistake(f"{text} names no tag (write one such as {text}:v1)")
    return reference


@shaped(text("2026-01-31T12:00:00Z"))
def moment_of(value: Value) -> float:
    """A date, as seconds since 1970."""
    text = word_of(value, MOMENT)
    try:
        return parse_moment(text)
    except InvalidValue:
        raise unexpected(text, MOMENT) from None


@shaped(number(400, 599))
def status_of(value: Value) -> int:
    """The status of an answer that is an error."""
    text = word_of(value, STATUS)
    if not (text.isascii() and text.isdigit() and 400 <= int(text) < 600):
        raise unexpected(text, STATUS)
    return int(text)


@shaped(table_of(ANY_TEXT))
def texts_of(value: Value) -> dict[str, str]:
    """Texts by name."""
    if not isinstance(value.node, MappingNode):
        raise unexpected(value.node, TEXTS)
    return {
        key: clean_text_of(value.of_key(key, entry)) for key, entry in value.node.entries.items()
    }


@shaped(text("linux/arm64"))
def platform_of(value: Value) -> Platform:
    """A platform."""
    return _parsed(Platform.parse, word_of(value))


@shaped(ANY_TEXT)
def digest_of(value: Value) -> Digest:
    """A digest."""
    return _parsed(Digest.parse, word_of(value))


@shaped(any_of(list_of(text("linux/amd64")), table_of(ANY_TEXT)))
def platforms_of(value: Value) -> dict[Platform, Digest | None]:
    """The platforms of an index, each with the digest that it is to have, if any."""
    if isinstance(value.node, MappingNode):
        return {
            _parsed(Platform.parse, key): digest_of(value.of_key(key, entry))
            for key, entry in value.node.entries.items()
        }
    if isinstance(value.node, ListNode):
        return dict.fromkeys(Listing(platform_of)(value))
    raise unexpected(value.node, PLATFORMS)


@shaped(text(pattern=r"\S"))
def named_by(value: Value) -> str:
    """A name."""
    text = text_of(value, NAMES).strip()
    if not text:
        raise Mistake(f"an empty name names nothing ({NAMES.hint})")
    return text


@shaped(text("latest", "build-*", pattern=r"\S"))
def pattern_of(value: Value) -> Pattern:
    """A pattern of names."""
    try:
        return Pattern.parse(named_by(value))
    except InvalidValue as error:
        raise Mistake(f"{error} (write a glob such as v*, or regex:...)") from None


class OneOrMore(Listing[_T]):
    """The kind of a list, or of a single item; each counts once."""

    def __init__(self, item: Kind[_T]) -> None:
        super().__init__(item, unique=True)

    def __call__(self, value: Value) -> tuple[_T, ...]:
        """Read the items."""
        return (self.item(value),) if isinstance(value.node, Scalar) else super().__call__(value)

    def shape(self) -> Shape:
        """A list of what the kind reads, or that itself."""
        return any_of(super().shape(), shape_of(self.item))


def _parsed(parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except InvalidValue as error:
        raise Mistake(f"{error} (correct it)") from None
