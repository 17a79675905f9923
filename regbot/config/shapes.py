"""What an editor is told of a value: its JSON Schema, declared beside the kind that reads it.

A schema refuses nothing that its kind takes. So a text may be written as any scalar of YAML,
which the kinds read as it stands: ``pass: 0123`` is a text to them, and a number to editors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Shape = Mapping[str, Any]
"""A JSON Schema, draft 7."""

_Read = TypeVar("_Read", bound=Callable[..., object])

SCALAR = ("string", "number", "boolean")
ANY_TEXT: Shape = {"type": SCALAR}


def shaped(shape: Shape) -> Callable[[_Read], _Read]:
    """Declare the shape of what a function reads; it is a kind then."""

    def declare(function: _Read) -> _Read:
        vars(function)["shape"] = lambda: shape
        return function

    return declare


def text(*examples: str, pattern: str = "") -> Shape:
    """Any scalar. ``pattern`` is what a string has to be like."""
    more: dict[str, Any] = {"examples": examples} if examples else {}
    return {**ANY_TEXT, **({"pattern": pattern} if pattern else {}), **more}


def number(
    minimum: int = 0,
    maximum: int | None = None,
    *,
    kind: str = "integer",
    pattern: str = "[-+]?[0-9]+",
    examples: Sequence[str] = (),
) -> Shape:
    """A number, or a string that is one or fits a pattern."""
    return {
        "type": (kind, "string"),
        "minimum": minimum,
        **({} if maximum is None else {"maximum": maximum}),
        "pattern": rf"^\s*(?:{pattern})\s*$",
        **({"examples": examples} if examples else {}),
    }


def words(*known: str, any_case: bool = False) -> Shape:
    """One of some words. An empty text is for the reader to judge."""
    spelled = map(_in_any_case, known) if any_case else known
    pattern = rf"^\s*(?:{'|'.join(spelled)})?\s*$"
    return {"anyOf": ({"enum": known}, {"type": "string", "pattern": pattern})}


def flag(*, true: Sequence[str], false: Sequence[str]) -> Shape:
    """True, false, or another word for it."""
    spelled = "|".join(map(_in_any_case, (*true, *false)))
    return {"type": ("boolean", "string"), "pattern": rf"^\s*(?:{spelled})\s*$"}


def list_of(item: Shape, *, least: int = 0) -> Shape:
    """A list."""
    return {"type": "array", "items": or_nothing(item), **({"minItems": least} if least else {})}


def table_of(item: Shape, *, least: int = 0) -> Shape:
    """A mapping whose keys are the user's."""
    bounds = {"minProperties": least} if least else {}
    return {"type": "object", "additionalProperties": or_nothing(item), **bounds}


def any_of(*shapes: Shape) -> Shape:
    """One of several shapes."""
    return {"anyOf": shapes}


def or_nothing(shape: Shape) -> Shape:
    """The shape of a value that may be left out behind its key."""
    if "anyOf" in shape:
        return {**shape, "anyOf": (*shape["anyOf"], {"type": "null"})}
    kinds = shape["type"]
    return {**shape, "type": (*([kinds] if isinstance(kinds, str) else kinds), "null")}


def _in_any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


def described(shape: Shape, doc: str, default: object = None) -> Shape:
    """A shape with what is said of its key, which is Markdown with links from within docs/."""
    markdown, plain = _without_links(doc), plain_text(doc)
    texts = {"description": plain}
    if plain != markdown:
        texts["markdownDescription"] = markdown
    return {**shape, **texts, **({} if default is None else {"default": default})}


def plain_text(doc: str) -> str:
    """What is said of a key, without Markdown."""
    return _without_links(doc).replace("`", "")


def _without_links(doc: str) -> str:
    """Markdown without links, and without a "see" before one."""
    markdown = re.sub(r",? see\s\[[^]]+\]\([^)]+\)", "", doc)
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", markdown)


def require_shape(kind: Callable[..., object]) -> None:
    """Raise TypeError for a kind that declares no shape."""
    if not hasattr(_declared_by(kind), "shape"):
        raise TypeError(f"{kind} reads a value and declares no shape (add @shaped(...))")


def shape_of(kind: Callable[..., Any]) -> Shape:
    """The shape of what a kind reads."""
    shape: Shape = _declared_by(kind).shape()
    return shape


def _declared_by(kind: Callable[..., Any]) -> Any:  # noqa: ANN401 - whatever has a shape
    """A section for one of its methods that read, else the kind itself."""
    return getattr(kind, "__self__", kind)
