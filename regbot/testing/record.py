"""Records a real repository as a test file: tags, digests and dates, and no content."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from regbot.errors import NotFound, NotSupported
from regbot.image.crew import Crew
from regbot.image.facts import CREATED, created_of, parse_date
from regbot.image.resolve import image_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import (
    DEFAULT_BLOB_LIMIT,
    DOCKER_CONFIG,
    OCI_CONFIG,
    Manifest,
)
from regbot.oci.platform import Platform
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.testing.anonymous import REPOSITORY, Anonymous
from regbot.testing.fixture import USUAL
from regbot.units import format_moment
from regbot.values import dataclass

_WORKERS = 8
_UNKNOWN = Platform("unknown", "unknown")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An image as it is recorded; see ``fixture.Image``."""

    digest: Digest
    created: float | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    platform: Platform = USUAL
    platforms: Mapping[Platform, Digest] | None = None
    size: int | None = None
    referrers: tuple[str, ...] = ()


def record_repository(
    store: ReadStore, labels: Collection[str], *, stop: Stop
) -> tuple[dict[Tag, Digest], dict[Digest, Recorded]]:
    """The tags of a repository, and the images they are on.

    Of labels and annotations, those with the names in ``labels`` are recorded, and the date
    if it is one. Raises what the store raises: a part is no recording.
    """
    names, crew, tags = frozenset(labels), Crew(_WORKERS, stop), store.tags()
    digests = crew.run(lambda tag: store.head(tag).digest, tags)
    images = crew.run(
        lambda digest: _recorded(store, store.manifest(digest), names), list(dict.fromkeys(digests))
    )
    return dict(zip(tags, digests, strict=True)), {image.digest: image for image in images}


def _recorded(store: ReadStore, manifest: Manifest, names: Collection[str]) -> Recorded:
    date = created_of(store, manifest)
    image = _image(store, manifest)
    config = _config(store, image) if image else {}
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    platforms = {child.platform or _UNKNOWN: child.digest for child in manifest.manifests}
    return Recorded(
        manifest.digest,
        date.timestamp() if date else None,
        _chosen(labels if isinstance(labels, dict) else {}, names),
        _chosen(manifest.annotations, names),
        Platform.from_json(config) if config.get("os") and config.get("architecture") else USUAL,
        platforms,
        None if manifest.is_index else sum(layer.size for layer in manifest.layers),
        tuple(_referrers(store, manifest.digest)),
    )


def _image(store: ReadStore, manifest: Manifest) -> Manifest | None:
    try:
        return image_of(store, manifest)
    except NotFound:
        return None


def _config(store: ReadStore, image: Manifest) -> Mapping[str, object]:
    """The config of an image; empty for an artifact."""
    if image.config is None or image.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        return {}
    return store.config(image, limit=DEFAULT_BLOB_LIMIT).data


def _chosen(texts: Mapping[str, object], names: Collection[str]) -> dict[str, str]:
    return {
        key: text
        for key, text in texts.items()
        if isinstance(text, str) and (key in names or (key == CREATED and parse_date(text)))
    }


def _referrers(store: ReadStore, digest: Digest) -> Iterator[str]:
    try:
        referrers = store.referrers(digest)
    except (NotFound, NotSupported):
        return
    for referrer in referrers:
        yield referrer.artifact_type or referrer.media_type


def as_test_file(
    name: str,
    tags: Mapping[Tag, Digest],
    images: Mapping[Digest, Recorded],
    now: float,
    anonymous: Anonymous | None,
) -> str:
    """A test file with what was recorded, and a first test to go on from."""
    name = REPOSITORY if anonymous else name
    first: dict[Digest, str] = {}
    lines = [
        f"# Recorded from {name}: {len(tags)} tags of {len(images)} images.",
        "version: 1",
        f"now: {format_moment(int(now))}",
        "repositories:",
        f"  {_text(name)}:",
        "    tags:" if tags else "    tags: {}",
    ]
    for tag, digest in sorted(tags.items()):
        shown = anonymous.tag(tag) if anonymous else str(tag)
        same = first.setdefault(digest, shown)
        fields = {"same": _text(same)} if same != shown else _fields(images[digest], anonymous)
        lines.append(f"      {_text(shown)}: {_mapping(fields)}")
    return "\n".join([*lines, *_FIRST_TEST.format(name=name).split("\n")])


_FIRST_TEST = """\
tests:
  - name: nothing is deleted
    script: |
      for _, name in ipairs(tag.ls("{name}")) do
        log(name)
      end
    expect: {{}}
"""


def _fields(image: Recorded, anonymous: Anonymous | None) -> dict[str, str]:
    def digest(value: Digest) -> str:
        return str(anonymous.digest(value) if anonymous else value)

    fields = {
        "created": "unknown" if image.created is None else format_moment(image.created),
        "digest": digest(image.digest),
    }
    if image.platforms:
        pairs = {_text(str(key)): digest(value) for key, value in image.platforms.items()}
        fields["platforms"] = _mapping(pairs)
    elif image.platform != USUAL:
        fields["platform"] = _text(str(image.platform))
    if image.size:
        fields["size"] = str(image.size)
    for key, texts in (("labels", image.labels), ("annotations", image.annotations)):
        if texts:
            fields[key] = _mapping({_text(each): _text(text) for each, text in texts.items()})
    if image.referrers:
        fields["referrers"] = _list(image.referrers)
    return fields


def _mapping(fields: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"


def _text(text: str) -> str:
    """A text between quotes, as JSON and YAML both have it."""
    return json.dumps(text, ensure_ascii=False)
