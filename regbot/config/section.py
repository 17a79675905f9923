"""Sections of the file: mappings whose keys are known, read with all mistakes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from regbot.config.document import (
    Document,
    Entry,
    ListNode,
    MappingNode,
    Mark,
    Mistake,
    Node,
    Place,
    Problem,
    Scalar,
)
from regbot.config.shapes import (
    Shape,
    described,
    list_of,
    or_nothing,
    require_shape,
    shape_of,
    table_of,
)
from regbot.values import dataclass

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FileReader:
    """What a file is read with, and the problems so far. Names of files start at ``folder``.

    ``files`` are those it names that were looked for.
    """

    document: Document
    environ: Mapping[str, str]
    folder: Path
    root: type[Section]
    problems: list[Problem] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def read(self, kind: Kind[_T]) -> _T | None:
        """What a kind makes of the whole file, or None if that is a mistake."""
        root = self.document.root
        return Value(root, root.mark, (), self).read(kind)


@dataclass(frozen=True, slots=True)
class Value:
    """A node to be read. ``mark`` is where its problems are shown."""

    node: Node
    mark: Mark
    place: Place
    reader: FileReader

    def read(self, kind: Kind[_T]) -> _T | None:
        """What a kind makes of it. A mistake is noted, and gives None."""
        try:
            return kind(self)
        except Mistake as mistake:
            text = f"{self.place[-1]}: {mistake}" if self.place else str(mistake)
            self.note(self._mark_of(mistake), text)
            return None

    def note(self, mark: Mark, text: str) -> None:
        """Note a problem."""
        self.reader.problems.append(Problem(mark, text))

    def of_key(self, key: str, entry: Entry) -> Value:
        """The value of a key. One that is empty has its problems shown at the key."""
        mark = entry.key_mark if _is_null(entry.value) else entry.value.mark
        return Value(entry.value, mark, (*self.place, key), self.reader)

    def _mark_of(self, mistake: Mistake) -> Mark:
        if mistake.offset is None or not isinstance(self.node, Scalar):
            return self.mark
        return self.reader.document.place(self.node, mistake.offset)


Kind = Callable[[Value], _T]
"""Reads a value, or raises Mistake."""


class Listing(Generic[_T]):
    """The kind of a list whose items are of one kind. With ``unique``, each counts once."""

    def __init__(self, item: Kind[_T], *, unique: bool = False) -> None:
        self.item = item
        self._unique = unique

    def __call__(self, value: Value) -> tuple[_T, ...]:
        """Read a list, all of its items."""
        if not isinstance(value.node, ListNode):
            raise Mistake(f"expected a list{_not_a_string(value)} (begin each entry with -)")
        items = [
            Value(node, node.mark, value.place, value.reader).read(self.item)
            for node in value.node.items
        ]
        valid = [item for item in items if item is not None]
        return tuple(dict.fromkeys(valid)) if self._unique else tuple(valid)

    def shape(self) -> Shape:
        """A list of what the kind reads."""
        return list_of(shape_of(self.item))


class Table(Generic[_T]):
    """The kind of a mapping whose keys are names of the user's, and its values of one kind."""

    def __init__(self, item: Kind[_T]) -> None:
        self.item = item

    def __call__(self, value: Value) -> dict[str, _T]:
        """Read a mapping, all of its values."""
        if not isinstance(value.node, MappingNode):
            raise Mistake(f"expected a mapping of names{_not_a_string(value)} (write name: value)")
        items = {
            name: value.of_key(name, entry).read(self.item)
            for name, entry in value.node.entries.items()
        }
        return {name: item for name, item in items.items() if item is not None}

    def shape(self) -> Shape:
        """A mapping of any names to what the kind reads."""
        return table_of(shape_of(self.item))


class Key(Generic[_T]):
    """A key that a section may have. It gives its value, or None where the file sets none.

    In the file it is the attribute's name in camel case, unless an alias is given. ``doc``
    says what it is for, and ``default`` what holds without it, as it would be written.
    """

    required = False

    def __init__(
        self,
        kind: Kind[_T],
        doc: str,
        *,
        alias: str = "",
        default: str | int | bool | None = None,
    ) -> None:
        require_shape(kind)
        self.kind = kind
        self.name = ""
        self.doc = doc
        self.alias = alias
        self.default = default

    def __set_name__(self, owner: type[Section], name: str) -> None:
        first, *others = name.split("_")
        self.name = name
        self.alias = self.alias or first + "".join(map(str.capitalize, others))

    @overload
    def __get__(self, section: None, owner: type[Section]) -> Key[_T]: ...
    @overload
    def __get__(self, section: Section, owner: type[Section]) -> _T | None: ...
    def __get__(self, section: Section | None, owner: type[Section]) -> Key[_T] | _T | None:
        return self if section is None else section.values.get(self.name)

    @property
    def section(self) -> type[Section] | None:
        """The section, or section of a list or table, that is the key's value."""
        kind = self.kind.item if isinstance(self.kind, Listing | Table) else self.kind
        owner = getattr(kind, "__self__", None)
        return owner if isinstance(owner, type) and issubclass(owner, Section) else None

    def shape(self) -> Shape:
        """The shape of its value, with what is said of it. Nothing at all is as no key."""
        shape = shape_of(self.kind)
        return described(shape if self.required else or_nothing(shape), self.doc, self.default)


class RequiredKey(Key[_T]):
    """A key without which a section is a mistake."""

    required = True

    @overload
    def __get__(self, section: None, owner: type[Section]) -> Key[_T]: ...
    @overload
    def __get__(self, section: Section, owner: type[Section]) -> _T: ...
    def __get__(self, section: Section | None, owner: type[Section]) -> Key[_T] | _T:
        return self if section is None else section.values[self.name]


class Section:
    """A mapping of the file. Unknown keys are mistakes, except the user's own ``x-`` keys.

    ``values`` are those that the file sets, by the names of their attributes.
    ``called`` is what messages call it.
    """

    called: ClassVar[str] = "this entry"
    keys: ClassVar[dict[str, Key[Any]]] = {}

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __init_subclass__(cls) -> None:
        keys = {key.alias: key for key in vars(cls).values() if isinstance(key, Key)}
        for base in cls.__bases__:
            keys |= base.keys if issubclass(base, Section) else {}
        cls.keys = keys

    @classmethod
    def read(cls, value: Value) -> Self:
        """The kind of a section: read a mapping. A known key without a value is left out."""
        if not isinstance(value.node, MappingNode):
            but = _not_a_string(value)
            raise Mistake(f"expected a mapping of keys and values{but} (write key: value)")
        values: dict[str, Any] = {}
        for name, entry in value.node.entries.items():
            key = cls.keys.get(name)
            if key and not _is_null(entry.value):
                values[key.name] = value.of_key(name, entry).read(key.kind)
            elif not (key or name.startswith("x-")):
                value.note(entry.key_mark, _unknown(name, value))
        for key in cls.keys.values():
            if key.required and key.name not in values:
                at = value.node.entries.get(key.alias)
                mark = at.key_mark if at else value.mark
                value.note(mark, f"{key.alias} is missing in {cls.called} (add {key.alias}: ...)")
        return cls({name: item for name, item in values.items() if item is not None})

    @classmethod
    def shape(cls) -> Shape:
        """A mapping with these keys, and the user's own."""
        return {
            "type": "object",
            "properties": {alias: key.shape() for alias, key in cls.keys.items()},
            "patternProperties": {"^x-": {}},
            "additionalProperties": False,
            "required": [alias for alias, key in cls.keys.items() if key.required],
        }


def sections(section: type[Section], place: Place = ()) -> dict[Place, type[Section]]:
    """A section and all within it, by the keys that lead to each; ``*`` is any name."""
    places = {place: section}
    for key in section.keys.values():
        if key.section:
            names = ("*",) if isinstance(key.kind, Table) else ()
            places |= sections(key.section, (*place, key.alias, *names))
    return places


def _unknown(key: str, value: Value) -> str:
    from regbot.config.explain import unknown_key

    known = {place: list(each.keys) for place, each in sections(value.reader.root).items()}
    place = next(each for each in known if _leads_to(each, value.place))
    return unknown_key(key, place, known)


def _leads_to(keys: Place, place: Place) -> bool:
    """Whether a place is the one that these keys lead to."""
    return len(keys) == len(place) and all(
        key in ("*", step) for key, step in zip(keys, place, strict=True)
    )


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null


def _not_a_string(value: Value) -> str:
    is_string = isinstance(value.node, Scalar) and not value.node.is_null
    return ", not a string" if is_string else ""
