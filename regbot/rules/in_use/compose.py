"""The images of a Compose file, and of the files that it includes or extends.

Of a file that is extended all services count, which is more than are used. Variables are
those of the environment and of ``.env`` beside the file, as Compose has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue, Malformed, UseUnknown
from regbot.rules.in_use.interpolation import Variables, interpolated
from regbot.rules.in_use.listed import content_of
from regbot.rules.in_use.mention import Mention
from regbot.rules.in_use.seen import Seen
from regbot.rules.in_use.settings import ComposeFile
from regbot.rules.in_use.yaml_texts import load_texts

_SETTING = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][\w.-]*)\s*=\s*(?P<value>.*)", re.ASCII)


def read_compose(file: ComposeFile, environ: Mapping[str, str]) -> Seen:
    """The images of all services. Raises UseUnknown for what can't be read or resolved."""
    variables: Variables = {**_variables_beside(file.path), **environ}
    mentions: dict[Mention, None] = {}
    waiting, known = [file.path], {file.path.resolve()}
    while waiting:
        path = waiting.pop()
        try:
            for document in load_texts(content_of(path)):
                if not isinstance(document, dict):
                    raise UseUnknown(f"{path} is no Compose file")
                mentions.update(dict.fromkeys(_mentions(document, path, variables)))
                for name in _other_files(document):
                    other = path.parent / interpolated(name, variables)
                    if other.resolve() not in known:
                        known.add(other.resolve())
                        waiting.append(other)
        except (InvalidValue, Malformed) as error:
            raise UseUnknown(f"{path}: {error}") from None
    return Seen(tuple(mentions), () if mentions else ("it names no image",))


def _mentions(document: Mapping[str, Any], path: Path, variables: Variables) -> Iterator[Mention]:
    services = document.get("services") or {}
    if not isinstance(services, dict):
        raise Malformed("services is no mapping")
    for name, service in services.items():
        for text in _images(name, service):
            image = interpolated(text, variables).strip()
            if not image:
                raise InvalidValue(f"service {name}: its image {text!r} is empty")
            yield Mention.parse(image, f"service {name} ({path})")


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


def _other_files(document: Mapping[str, Any]) -> Iterator[str]:
    """The files that a document includes, and those whose services it extends."""
    includes = document.get("include") or []
    for include in includes if isinstance(includes, list) else [includes]:
        yield from _included(include)
    for service in (document.get("services") or {}).values():
        extends = service.get("extends") if isinstance(service, dict) else None
        if isinstance(extends, dict) and isinstance(extends.get("file"), str):
            yield extends["file"]


def _included(include: object) -> Iterator[str]:
    if isinstance(include, str):
        yield include
    elif isinstance(include, dict) and not {"env_file", "project_directory"} & include.keys():
        paths = include.get("path")
        for path in paths if isinstance(paths, list) else [paths]:
            yield from _included(path)
    else:
        raise Malformed("an include can't be resolved (list the included file as a source)")


def _variables_beside(path: Path) -> dict[str, str | None]:
    """The settings of ``.env``."""
    file = path.parent / ".env"
    if not file.exists():
        return {}
    lines = content_of(file).decode("utf-8", "replace").splitlines()
    settings = (_SETTING.fullmatch(line.strip()) for line in lines)
    return {match["name"]: _setting(match["value"]) for match in settings if match}


def _setting(text: str) -> str | None:
    """A value of ``.env``; None for one with escapes or variables of its own."""
    quote = text[:1]
    if quote in ("'", '"'):
        value, closed, after = text[1:].partition(quote)
        if not closed or (after.strip() and not after.strip().startswith("#")):
            return None
    else:
        value = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
    is_plain = quote == "'" or not set(value) & {"$", "\\"}
    return value if is_plain else None
