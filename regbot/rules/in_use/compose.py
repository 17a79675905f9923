"""The images of a Compose file, and of the files that Compose reads with it.

Those are the files that it includes or extends, the override files beside it, and what
``COMPOSE_FILE`` in ``.env`` names. All their services count, which is more than are used.
Variables are those of the environment and of ``.env`` beside the file, as Compose has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue, Malformed, UseUnknown
from regbot.rules.in_use.env_file import env_file
from regbot.rules.in_use.interpolation import Variables, interpolated
from regbot.rules.in_use.listed import content_of
from regbot.rules.in_use.mention import Mention, Seen
from regbot.rules.in_use.settings import ComposeFile
from regbot.rules.in_use.yaml_texts import load_texts
from regbot.values import dataclass

_USUAL = tuple(
    f"{name}{{}}.{ending}" for name in ("compose", "docker-compose") for ending in ("yml", "yaml")
)
"""The names under which Compose looks for a file, and with ``.override`` for another one."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A file that Compose reads, and the variables in it."""

    path: Path
    variables: Variables

    def beside(self, name: str) -> Path:
        """The path of a file that this one names."""
        return self.path.parent / interpolated(name, self.variables)


def read_compose(file: ComposeFile, environ: Mapping[str, str]) -> Seen:
    """The images of all services. Raises UseUnknown for what can't be read or resolved."""
    mentions: dict[Mention, None] = {}
    waiting = list(_parts(file.path, environ))
    known: set[object] = set()
    while waiting:
        part = waiting.pop(0)
        version = (part.path.resolve(), frozenset(part.variables.items()))
        if version in known:
            continue
        known.add(version)
        try:
            for document in _documents(part.path):
                mentions.update(dict.fromkeys(_mentions(document, part)))
                waiting += _other_parts(document, part)
        except (InvalidValue, Malformed) as error:
            raise UseUnknown(f"{part.path}: {error}") from None
    return Seen(tuple(mentions), () if mentions else ("it names no image",))


def _parts(path: Path, environ: Mapping[str, str]) -> Iterator[_Part]:
    """The file itself, and those that Compose reads with it unless it is told not to."""
    settings = env_file(path.parent / ".env")
    variables: Variables = {**settings, **environ}
    yield _Part(path, variables)
    listed, separator = (
        settings.get("COMPOSE_FILE", ""),
        settings.get("COMPOSE_PATH_SEPARATOR", ":"),
    )
    if listed is None or not separator:
        raise UseUnknown(f"the value of COMPOSE_FILE in {path.parent / '.env'} can't be read")
    for name in filter(None, listed.split(separator)):
        yield _Part(path.parent / name, variables)
    if path.name in {name.format("") for name in _USUAL}:
        for name in _USUAL:
            override = path.with_name(name.format(".override"))
            if override.exists():
                yield _Part(override, variables)


def _documents(path: Path) -> Iterator[Mapping[str, Any]]:
    """The documents of a file. Raises Malformed, also where there is none."""
    documents = list(load_texts(content_of(path)))
    for document in documents or [None]:
        if not isinstance(document, dict):
            raise Malformed("it is no Compose file")
        if not {"services", "include"} & document.keys():
            raise Malformed("it has no services (files of the first version are not read)")
        yield document


def _mentions(document: Mapping[str, Any], part: _Part) -> Iterator[Mention]:
    services = document.get("services") or {}
    if not isinstance(services, dict):
        raise Malformed("services is no mapping")
    for name, service in services.items():
        for text in _images(name, service):
            image = interpolated(text, part.variables).strip()
            if not image:
                raise InvalidValue(f"service {name}: its image {text!r} is empty")
            yield Mention.parse(image, f"service {name} ({part.path})")


def _images(name: str, service: object) -> Iterator[str]:
    """The images of a service, one that is built alone has none."""
    if service is None:
        return
    if not isinstance(service, dict):
        raise Malformed(f"service {name} is no mapping")
    volumes = service.get("volumes")
    mounted = [
        volume.get("source")
        for volume in (volumes if isinstance(volumes, list) else ())
        if isinstance(volume, dict) and volume.get("type") == "image"
    ]
    for image in (service.get("image"), *mounted):
        if isinstance(image, str):
            yield image
        elif image is not None:
            raise Malformed(f"the image of service {name} is no text")


def _other_parts(document: Mapping[str, Any], part: _Part) -> Iterator[_Part]:
    """The files that a document includes, and those whose services it extends.

    Where an included file has an ``.env`` of its own beside it, that comes after the
    variables of the file that includes it (Compose specification, "Include").
    """
    includes = document.get("include") or []
    for include in includes if isinstance(includes, list) else [includes]:
        paths = [part.beside(name) for name in _included(include)]
        variables = {**env_file(paths[0].parent / ".env"), **part.variables}
        yield from (_Part(path, variables) for path in paths)
    for service in (document.get("services") or {}).values():
        extends = service.get("extends") if isinstance(service, dict) else None
        if isinstance(extends, dict) and isinstance(extends.get("file"), str):
            yield _Part(part.beside(extends["file"]), part.variables)


def _included(include: object) -> list[str]:
    """The files of an entry of ``include``, at least one. Raises Malformed."""
    paths = include
    if isinstance(include, dict) and not {"env_file", "project_directory"} & include.keys():
        paths = include.get("path")
    names: list[Any] = paths if isinstance(paths, list) else [paths]
    if not names or not all(isinstance(name, str) for name in names):
        raise Malformed("an include can't be resolved (list the included file as a source)")
    return names
