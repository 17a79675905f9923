"""``index.json`` of an OCI layout folder, as a value.

OCI image spec, "Image Layout" > "index.json". Fields and entries regbot does
not know are kept. A layout can hold ten thousand tags and is written anew for
each change, so every entry carries its JSON text and only new ones are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

from regbot.errors import InvalidValue, Malformed, NotSupported
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX, Descriptor, encode, parse_object
from regbot.oci.tag import Tag
from regbot.values import dataclass

REF_NAME = "org.opencontainers.image.ref.name"
_BARE = frozenset({"mediaType", "digest", "size"})


def check_version(raw: bytes, where: str) -> None:
    """Raise Malformed unless these bytes of ``oci-layout`` are of a version that is known."""
    version = parse_object(raw, f"oci-layout of {where}").get("imageLayoutVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise Malformed(f"{where} has layout version {version!r}; regbot knows 1.x")


@dataclass(frozen=True, slots=True)
class Entry:
    """One descriptor of an index: its JSON object, the same as text, and its names.

    ``name`` is the annotation as it is: a tag, or a full name that ends with one
    such as ``docker.io/library/app:v1``, as some tools write it. ``digest`` is None
    for what is none that regbot knows.
    """

    data: Mapping[str, Any]
    text: bytes
    digest: Digest | None
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
        tag = name.partition("@")[0].rpartition(":")[2] if "/" in name or ":" in name else name
        return cls(data, encode(data), _digest(data.get("digest")), name, _tag(tag))

    @classmethod
    def tagged(cls, descriptor: Descriptor, tag: Tag) -> Entry:
        """A new entry of a manifest under a tag."""
        return cls.of({**descriptor.to_json(), "annotations": {REF_NAME: tag}})

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
        data = parse_object(raw, what)
        entries = data.pop("manifests", what)
        if not isinstance(entries, list | None):
            raise Malformed(f"{what} has no array 'manifests'")
        return cls.of(data, map(Entry.of, entries or ()))

    def render(self) -> bytes:
        """The bytes to write."""
        head = encode(self.rest)[:-1]
        comma = b"," if self.rest else b""
        entries = b",".join([entry.text for entry in self.entries])
        return b"".join((head, comma, b'"manifests":[', entries, b"]}"))

    @cached_property
    def by_digest(self) -> Mapping[Digest, Entry]:
        """The first entry of each digest."""
        return {entry.digest: entry for entry in reversed(self.entries) if entry.digest}

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
        if descriptor.digest in self.by_digest:
            return self
        return Index.of(self.rest, (*self.entries, Entry.of(descriptor.to_json())))

    def without_tags(self, tags: Collection[Tag]) -> Index:
        """All entries but those of the tags. Raises NotSupported as ``with_tag`` does."""
        for tag in tags:
            self.require_one_name(tag)
        return self._keeping(lambda entry: entry.tag not in tags)

    def without_digest(self, digest: Digest) -> Index:
        """All entries but those of a digest."""
        return self._keeping(lambda entry: entry.digest != digest)

    def without_bare(self, digests: frozenset[Digest]) -> Index:
        """Without the bare entries of content that something else reaches now."""
        return self._keeping(lambda entry: entry.digest not in digests or not entry.bare)

    def require_one_name(self, tag: Tag) -> None:
        """Raise NotSupported for a tag that ends several full names."""
        if tag in self.unclear:
            names = sorted({entry.name for entry in self.entries if entry.tag == tag})
            raise NotSupported(f"tag {tag!r} can't be changed: it could mean {' or '.join(names)}")

    def _keeping(self, kept: Callable[[Entry], bool]) -> Index:
        entries = [entry for entry in self.entries if kept(entry)]
        return self if len(entries) == len(self.entries) else Index.of(self.rest, entries)


def _digest(value: object) -> Digest | None:
    try:
        return Digest.parse(value) if isinstance(value, str) else None
    except InvalidValue:
        return None


def _tag(text: str) -> Tag | None:
    try:
        return Tag.parse(text)
    except InvalidValue:
        return None
