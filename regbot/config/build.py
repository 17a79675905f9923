"""From the sections of a valid file to a Config: defaults filled in, warnings noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from regbot.config.document import Document, Scalar
from regbot.config.document import Path as KeyPath
from regbot.config.hosts import fields_of, hosts_of, joined
from regbot.config.inusefields import InUseSection
from regbot.config.notifyfields import NotifySection
from regbot.config.registries import Registries
from regbot.config.schema import (
    CacheSection,
    DefaultsSection,
    File,
    GuardSection,
    RunSection,
    ScriptSection,
    SyncSection,
)
from regbot.config.section import FileReader
from regbot.config.sync import SyncOptions
from regbot.config.values import CacheSettings, Config, Script, ServerSettings
from regbot.config.warnings import warnings_of
from regbot.http.hosts import ClientSettings
from regbot.notify.settings import Receiver
from regbot.plan.guard import Guard
from regbot.rules.in_use.settings import InUseSettings


def build(reader: FileReader, file: File, registries: Registries) -> Config:
    """The Config of a valid file, with the registries that were set up below it."""
    document = reader.document
    scripts, syncs = file.scripts or (), file.sync or ()
    hosts = hosts_of(
        joined(document, file.creds or ()), below=joined(registries.document, registries.entries)
    )
    settings = dict(file.defaults.values) if file.defaults else {}
    settings["cache"] = _cache(settings.get("cache"))
    defaults = _defaults(document, settings, reader.folder)
    client = ClientSettings(
        hosts=hosts,
        environment=dict(reader.environ),
        **fields_of(ClientSettings, settings),
    )
    return Config(
        client,
        defaults,
        (
            *(_script(document, *each, defaults) for each in enumerate(scripts)),
            *_syncs(document, syncs, defaults, file.defaults),
        ),
        server=ServerSettings(**file.server.values) if file.server else ServerSettings(),
        notify=tuple(_receivers(document, file.notify or ())),
        warnings=(*map(document.line, warnings_of(document, file)), *registries.warnings),
        **fields_of(Config, settings),
    )


def _defaults(document: Document, settings: Mapping[str, Any], folder: Path) -> Script:
    values = fields_of(Script, settings)
    values["guard"] = _guard(document, ("defaults", "guard"), settings.get("guard"))
    values["in_use"] = _in_use(settings.get("in_use"))
    values.setdefault("lua_path", (folder,))
    return _schedule_first(Script(**values))


def _script(document: Document, number: int, section: ScriptSection, defaults: Script) -> Script:
    values: dict[str, Any] = {}
    if section.retention:
        values["work"] = section.retention.policy
    elif section.file:
        values |= {"text": section.file.content, "chunk_name": str(section.file.path)}
    else:
        _, node = document.find(("scripts", number, "script"))
        values["text"] = (section.script or "").encode()
        values |= lines_of(document, node) if isinstance(node, Scalar) else {}
    values["env"] = tuple(dict.fromkeys((*defaults.env, *(section.env or ()))))
    return _run(document, ("scripts", number), "name", section, defaults, values)


def _syncs(
    document: Document,
    sections: Sequence[SyncSection],
    defaults: Script,
    of_all: DefaultsSection | None,
) -> Iterator[Script]:
    """The entries under ``sync``; where several without a name are alike, they are counted."""
    counts: Counter[str] = Counter()
    for number, section in enumerate(sections):
        script = _sync(document, number, section, defaults, of_all)
        counts[script.name] += 1
        count = counts[script.name]
        yield script if count == 1 else replace(script, name=f"{script.name} ({count})")


def _sync(
    document: Document,
    number: int,
    section: SyncSection,
    defaults: Script,
    of_all: DefaultsSection | None,
) -> Script:
    options = {key.name for key in SyncOptions.keys.values()}
    of_defaults = of_all.values if of_all else {}
    values = {
        "name": section.shown,
        "work": section.sync({name: of_defaults[name] for name in options & of_defaults.keys()}),
        "repositories": section.repositories(),
    }
    return _run(document, ("sync", number), "source", section, defaults, values)


def _run(
    document: Document,
    path: KeyPath,
    key: str,
    section: RunSection,
    defaults: Script,
    values: Mapping[str, Any],
) -> Script:
    """A script of an entry at a path, which its ``key`` has in messages."""
    if section.schedule or section.interval:
        defaults = replace(defaults, schedule=None, interval=None)
    guard = _guard(document, (*path, "guard"), section.guard)
    settings = fields_of(Script, section.values) | {
        "guard": guard.over(defaults.guard),
        "in_use": _in_use(section.in_use).over(defaults.in_use),
        "place": document.where(document.find((*path, key))[0]),
    }
    return _schedule_first(replace(defaults, **{**settings, **values}))


def _receivers(document: Document, entries: Sequence[NotifySection]) -> Iterator[Receiver]:
    """Those whose URL is known."""
    for number, entry in enumerate(entries):
        way, url = entry.told()
        if url:
            place = f"{document.filename}:{document.key(('notify', number, way)).line}"
            yield entry.receiver(place)


def lines_of(document: Document, script: Scalar) -> dict[str, Any]:
    """The file that Lua's errors name, and its line where a script begins.

    Not for a text that is folded: its lines are others than the file's, so its errors name
    the script and count its own lines.
    """
    if script.style == "|":
        return {"chunk_name": document.filename, "line": script.first_line}
    if "\n" in script.text.rstrip("\n"):
        return {}
    return {"chunk_name": document.filename, "line": document.place(script, 0).line}


def _cache(section: CacheSection | None) -> CacheSettings:
    return CacheSettings(**section.values) if section else CacheSettings()


def _guard(document: Document, path: KeyPath, section: GuardSection | None) -> Guard:
    """The guard at a path, whose rules know their lines."""
    if section is None:
        return Guard()
    places = {
        alias: _line_of(document, (*path, alias))
        for alias, key in GuardSection.keys.items()
        if key.name in section.values
    }
    protect = tuple(
        replace(protection, place=places["protect"]) for protection in section.protect or ()
    )
    return Guard(**{**section.values, "protect": protect}, places=places)


def _line_of(document: Document, path: KeyPath) -> str:
    """The ``file:line`` of a key."""
    return f"{document.filename}:{document.key(path).line}"


def _in_use(section: InUseSection | None) -> InUseSettings:
    return section.settings() if section else InUseSettings()


def _schedule_first(script: Script) -> Script:
    """A schedule wins over an interval."""
    return replace(script, interval=None) if script.schedule else script
