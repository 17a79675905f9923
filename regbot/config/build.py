"""From the sections of a valid file to a Config: defaults filled in, warnings noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from regbot.config.creds import Creds
from regbot.config.document import Document, Mark, Problem, Scalar, shown
from regbot.config.document import Path as KeyPath
from regbot.config.inusefields import InUseSection
from regbot.config.notifyfields import NotifySection
from regbot.config.schema import CacheSection, File, GuardSection, ScriptSection
from regbot.config.section import FileReader, Section
from regbot.config.values import CacheSettings, Config, Script, ServerSettings
from regbot.http.hosts import ClientSettings, HostSettings, Login, Origin
from regbot.notify.settings import Receiver
from regbot.oci.reference import DOCKER_HUB, DOCKER_HUB_NAMES
from regbot.plan.guard import Guard
from regbot.rules.in_use.settings import InUseSettings

_OF_LOGINS = ("user", "password", "identity_token", "helper")
"""The fields of a Login that say who logs in; the last one that is set has its place."""


def build(reader: FileReader, file: File) -> Config:
    """The Config of a valid file."""
    document = reader.document
    creds, scripts = file.creds or (), file.scripts or ()
    warnings = list(_warnings(document, creds, scripts))
    if file.server:
        warnings += _empty_templates(document, ("server",), file.server)
    for number, entry in enumerate(file.notify or ()):
        warnings += _empty_templates(document, ("notify", number), entry)
    settings = dict(file.defaults.values) if file.defaults else {}
    settings["cache"] = _cache(settings.get("cache"))
    defaults = _defaults(document, settings, reader.folder)
    client = ClientSettings(
        hosts=tuple(map(_host, _joined(document, creds))),
        environment=dict(reader.environ),
        **_fields_of(ClientSettings, settings),
    )
    return Config(
        client,
        defaults,
        tuple(
            _script(document, number, section, defaults) for number, section in enumerate(scripts)
        ),
        server=ServerSettings(**file.server.values) if file.server else ServerSettings(),
        notify=tuple(_receivers(document, file.notify or ())),
        warnings=tuple(document.line(warning) for warning in sorted(set(warnings))),
        **_fields_of(Config, settings),
    )


def _fields_of(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that are fields of a dataclass."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in settings.items() if name in names}


def _joined(document: Document, entries: Iterable[Creds]) -> Iterator[dict[str, Any]]:
    """The settings of each registry; of entries for the same one, later fields win."""
    registries: dict[str, dict[str, Any]] = {}
    for number, creds in enumerate(entries):
        values = registries.setdefault(creds.name, {})
        values |= creds.values
        for alias, key in Creds.keys.items():
            if key.name in _OF_LOGINS and creds.values.get(key.name):
                values["origin"] = Origin(_line_of(document, ("creds", number, alias)))
    yield from registries.values()


def _host(settings: Mapping[str, Any]) -> HostSettings:
    values = dict(settings)
    if "api_opts" in settings:
        values |= settings["api_opts"].values
    if settings.get("scheme") == "http":
        values.setdefault("tls", "disabled")
    if values["name"] == DOCKER_HUB and values.get("hostname", "").lower() in DOCKER_HUB_NAMES:
        del values["hostname"]
    login = Login(**_fields_of(Login, values))
    return HostSettings(login=login, **_fields_of(HostSettings, values))


def _defaults(document: Document, settings: Mapping[str, Any], folder: Path) -> Script:
    values = _fields_of(Script, settings)
    values["guard"] = _guard(document, ("defaults", "guard"), settings.get("guard"))
    values["in_use"] = _in_use(settings.get("in_use"))
    values.setdefault("lua_path", (folder,))
    return _schedule_first(Script(**values))


def _script(document: Document, number: int, section: ScriptSection, defaults: Script) -> Script:
    values = _fields_of(Script, section.values)
    if section.schedule or section.interval:
        defaults = replace(defaults, schedule=None, interval=None)
    if section.retention:
        values["work"] = section.retention.policy
    elif section.file:
        values |= {"text": section.file.content, "chunk_name": str(section.file.path)}
    else:
        _, node = document.find(("scripts", number, "script"))
        values["text"] = (section.script or "").encode()
        values |= lines_of(document, node) if isinstance(node, Scalar) else {}
    values["env"] = tuple(dict.fromkeys((*defaults.env, *values.get("env", ()))))
    own_guard = _guard(document, ("scripts", number, "guard"), section.guard)
    values["guard"] = own_guard.over(defaults.guard)
    values["in_use"] = _in_use(section.in_use).over(defaults.in_use)
    values["place"] = document.where(document.find(("scripts", number, "name"))[0])
    return _schedule_first(replace(defaults, **values))


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


def _warnings(
    document: Document, entries: Sequence[Creds], scripts: Sequence[ScriptSection]
) -> Iterator[Problem]:
    first_marks: dict[str, Mark] = {}
    for number, creds in enumerate(entries):
        yield from _creds_warnings(document, number, creds)
        mark, _ = document.find(("creds", number, "registry"))
        first = first_marks.setdefault(creds.name, mark)
        if first != mark:
            text = (
                f"registry {shown(creds.name)} has an entry at line {first.line} already;"
                " this one takes precedence (merge the two entries)"
            )
            yield Problem(mark, text)
    if not scripts:
        yield Problem(
            Mark(1, 1), "there are no scripts, so nothing will run (add some under scripts)"
        )


def _creds_warnings(document: Document, number: int, creds: Creds) -> Iterator[Problem]:
    if creds.scheme:
        mark = document.key(("creds", number, "scheme"))
        word = "disabled" if creds.scheme == "http" else "enabled"
        yield Problem(mark, f"scheme is deprecated (write tls: {word} instead)")
    yield from _empty_templates(document, ("creds", number), creds)


def _empty_templates(document: Document, path: KeyPath, section: Section) -> Iterator[Problem]:
    """A warning for each template in a section that gave nothing."""
    for alias, key in section.keys.items():
        mark, node = document.find((*path, alias))
        if isinstance(node, Scalar) and "{{" in node.text and not section.values.get(key.name):
            text = f"{alias}: the template's result is empty (is the variable or the file empty?)"
            yield Problem(mark, text)
