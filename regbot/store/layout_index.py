"""``index.json`` of an OCI layout folder, as a value.

OCI image spec, "Image Layout" > "index.json". Fields and entries regbot does
not know are kept. A layout can hold a hundred thousand tags and is written anew for
each change, so every entry carries its JSON text, and only new ones are encoded. It is
read entry by entry, since the objects of all of them take five times the memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from regbot.errors import InvalidValue, Malformed, NotSupported
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX, Descriptor, encode, parse_object
from regbot.oci.tag import Tag
from regbot.values import dataclass

REF_NAME = "org.opencontainers.image.ref.name"
_BARE = frozenset({"mediaType", "digest", "size"})
_SPACE = re.compile(r"[ \t\n\r]*")
_WRITTEN_AT_ONCE = 1000
_DECODER = json.JSONDecoder()


def check_version(raw: bytes, where: str) -> None:
    """Raise Malformed unless these bytes of ``oci-layout`` are of a version that is known."""
    version = parse_object(raw, f"oci-layout of {where}").get("imageLayoutVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise Malformed(f"{where} has layout version {version!r}; regbot knows 1.x")


@dataclass(frozen=True, slots=True)
class Entry:
    """One descriptor of an index: the text of its JSON object, and its names.

    ``name`` is the annotation as it is: a tag, or a full name that ends with one
    such as ``docker.io/library/app:v1``, as some tools write it. ``packed`` is the
    digest, as ``Digest.packed`` is; None for what is none that regbot knows.
    """

    text: bytes
    packed: bytes | None
    name: str
    tag: Tag | None

    @classmethod
    def of(cls, data: object) -> Entry:
        """An entry of its JSON object. Raises Malformed when it is none."""
        if not isinstance(data, dict):
            raise Malformed("an entry of index.json is not a JSON object")
        annotations = data.get("annotations")
        name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
        name = name if isinstance(name, str) else ""
        last = name.partition("@")[0].rpartition(":")[2] if "/" in name or ":" in name else name
        tag = _tag(last)
        if tag == name:
            name = tag  # one text in memory, and not two
        return cls(encode(data), _packed(data.get("digest")), name, tag)

    @classmethod
    def tagged(cls, descriptor: Descriptor, tag: Tag) -> Entry:
        """A new entry of a manifest under a tag."""
        return cls.of({**descriptor.to_json(), "annotations": {REF_NAME: tag}})

    @property
    def digest(self) -> Digest | None:
        """Its digest, if it is one that regbot knows."""
        return None if self.packed is None else Digest.unpacked(self.packed)

    @property
    def data(self) -> Mapping[str, Any]:
        """Its JSON object."""
        data: Mapping[str, Any] = json.loads(self.text)
        return data

    @property
    def descriptor(self) -> Descriptor:
        """The entry understood. Raises Malformed."""
        return Descriptor.from_json(self.data)

    @property
    def bare(self) -> bool:
        """Whether it says nothing beside what the content is.

        Such an entry only keeps content that nothing else reaches.
        """
        return self.data.keys() <= _BARE


@dataclass(frozen=True)
class Index:
    """All of ``index.json``: other fields, entries in order, and the entry of each tag.

    Where several entries have one tag the first counts (image spec, "Image
    Index" > ``manifests``), and a plain tag before the end of a full name.
    ``unclear`` are the tags that stand for several names.
    """

    rest: Mapping[str, Any]
    entries: tuple[Entry, ...]
    tags: Mapping[Tag, Entry]
    unclear: frozenset[Tag]

    @classmethod
    def new(cls) -> Index:
        """The index of a layout without content."""
        return cls.of({"schemaVersion": 2, "mediaType": OCI_INDEX}, ())

    @classmethod
    def of(cls, rest: Mapping[str, Any], entries: Iterable[Entry]) -> Index:
        """An index of its parts."""
        entries = tuple(entries)
        tags: dict[Tag, Entry] = {}
        unclear: set[Tag] = set()
        for entry in entries:
            if not entry.tag:
                continue
            first = tags.setdefault(entry.tag, entry)
            if first.name != entry.name:
                unclear.add(entry.tag)
                if entry.name == entry.tag:
                    tags[entry.tag] = entry
        return cls(rest, entries, tags, frozenset(unclear))

    @classmethod
    def parse(cls, raw: bytes, what: str) -> Index:
        """Understand the bytes of ``index.json``. Raises Malformed."""
        parts = _in_parts(raw)
        if parts is not None:
            return cls.of(*parts)
        data = parse_object(raw, what)
        entries = data.pop("manifests", what)
        if not isinstance(entries, list | None):
            raise Malformed(f"{what} has no array 'manifests'")
        return cls.of(data, map(Entry.of, entries or ()))

    def pieces(self) -> Iterator[bytes]:
        """The bytes to write."""
        comma = b"," if self.rest else b""
        yield b'%b%b"manifests":[' % (encode(self.rest)[:-1], comma)
        for start in range(0, len(self.entries), _WRITTEN_AT_ONCE):
            entries = self.entries[start : start + _WRITTEN_AT_ONCE]
            yield (b"," if start else b"") + b",".join([entry.text for entry in entries])
        yield b"]}"

    @cached_property
    def packed(self) -> Mapping[bytes, Entry]:
        """The first entry of each digest, which is packed."""
        return {entry.packed: entry for entry in reversed(self.entries) if entry.packed}

    def of_digest(self, digest: Digest) -> Entry | None:
        """The first entry of a digest."""
        return self.packed.get(digest.packed)

    @cached_property
    def untagged(self) -> tuple[Entry, ...]:
        """The entries without a tag."""
        return tuple(entry for entry in self.entries if not entry.tag)

    def with_tag(self, tag: Tag, descriptor: Descriptor) -> Index:
        """The tag on other content, in the place of its old entry.

        An entry that has the content already stays as it is, with all it says.
        Raises NotSupported for a tag that ends several full names.
        """
        self.require_one_name(tag)
        old = self.tags.get(tag)
        if old is not None and old.digest == descriptor.digest:
            return self._keeping(lambda entry: entry is old or entry.tag != tag)
        new = Entry.tagged(descriptor, tag)
        if old is None:
            return Index.of(self.rest, (*self.entries, new))
        replaced = [new if entry is old else entry for entry in self.entries]
        return Index.of(
            self.rest, (entry for entry in replaced if entry is new or entry.tag != tag)
        )

    def with_untagged(self, descriptor: Descriptor) -> Index:
        """An entry without tag for content that has no entry yet."""
        if self.of_digest(descriptor.digest):
            return self
        return Index.of(self.rest, (*self.entries, Entry.of(descriptor.to_json())))

    def without_tags(self, tags: Collection[Tag]) -> Index:
        """All entries but those of the tags. Raises NotSupported as ``with_tag`` does."""
        for tag in tags:
            self.require_one_name(tag)
        return self._keeping(lambda entry: entry.tag not in tags)

    def without_digest(self, digest: Digest) -> Index:
        """All entries but those of a digest."""
        packed = digest.packed
        return self._keeping(lambda entry: entry.packed != packed)

    def without_bare(self, digests: Collection[Digest]) -> Index:
        """Without the bare entries of content that something else reaches now."""
        reached = frozenset(digest.packed for digest in digests)
        return self._keeping(lambda entry: entry.packed not in reached or not entry.bare)

    def require_one_name(self, tag: Tag) -> None:
        """Raise NotSupported for a tag that ends several full names."""
        if tag in self.unclear:
            names = sorted({entry.name for entry in self.entries if entry.tag == tag})
            raise NotSupported(f"tag {tag!r} can't be changed: it could mean {' or '.join(names)}")

    def _keeping(self, kept: Callable[[Entry], bool]) -> Index:
        entries = [entry for entry in self.entries if kept(entry)]
        return self if len(entries) == len(self.entries) else Index.of(self.rest, entries)


def _in_parts(raw: bytes) -> tuple[dict[str, Any], list[Entry]] | None:
    """The other fields and the entries of ``index.json``, read one after the other.

    None for what is no such file: whoever reads it as a whole can say why.
    """
    rest: dict[str, Any] = {}
    entries: list[Entry] | None = None
    try:
        text = _Text(raw.decode())
        for _ in text.items("{", "}"):
            key = text.value()
            if not isinstance(key, str) or not text.takes(":"):
                return None
            if key == "manifests":
                entries = [Entry.of(text.value()) for _ in text.items("[", "]")]
            else:
                rest[key] = text.value()
        if text.next():
            return None
    except (ValueError, RecursionError, Malformed):
        return None
    return None if entries is None else (rest, entries)


class _Text:
    """JSON text, which is taken piece by piece. Raises ValueError for what is none."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def next(self) -> str:
        """The next mark, which is not taken; empty at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def takes(self, mark: str) -> bool:
        """Take the next mark, if it is this one."""
        is_next = self.next() == mark
        self._at += is_next
        return is_next

    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """Take the next value."""
        self.next()
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        return value

    def items(self, opening: str, closing: str) -> Iterator[None]:
        """Come to each item of an array or object, which is to be taken then."""
        if not self.takes(opening):
            raise ValueError(opening)
        more = not self.takes(closing)
        while more:
            yield
            more = self.takes(",")
            if not (more or self.takes(closing)):
                raise ValueError(closing)


def _packed(value: object) -> bytes | None:
    try:
        return Digest.parse(value).packed if isinstance(value, str) else None
    except InvalidValue:
        return None


def _tag(text: str) -> Tag | None:
    try:
        return Tag.parse(text)
    except InvalidValue:
        return None
