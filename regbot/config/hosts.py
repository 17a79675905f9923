"""From entries of ``creds`` to the settings of hosts: those for one registry become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from regbot.config.creds import Creds
from regbot.config.document import Document
from regbot.http.hosts import HostSettings, Login, Origin
from regbot.oci.reference import DOCKER_HUB, DOCKER_HUB_NAMES

Joined = Mapping[str, Mapping[str, Any]]
"""The values that are set for each registry, by its name."""

_OF_LOGINS = ("user", "password", "identity_token", "helper")
"""The fields of a Login that say who logs in; the last one that is set has its place."""
_WAYS = ("password", "identity_token", "helper")
"""Those that are a way to log in. The next ones go with them."""
_OF_WAYS = frozenset((*_WAYS, "helper_key", "helper_expires"))
_OF_TLS = frozenset(("tls", "scheme"))


def joined(document: Document, entries: Iterable[Creds]) -> Joined:
    """What the entries of a file set; of entries for the same registry, later fields win."""
    registries: dict[str, dict[str, Any]] = {}
    for number, creds in enumerate(entries):
        values = registries.setdefault(creds.name, {})
        values |= creds.values
        for alias, key in Creds.keys.items():
            if key.name in _OF_LOGINS and creds.values.get(key.name):
                line = document.key(("creds", number, alias)).line
                values["origin"] = Origin(f"{document.filename}:{line}")
    return registries


def hosts_of(registries: Joined, *, below: Joined) -> tuple[HostSettings, ...]:
    """The settings of each registry, with those ``below`` for what they leave out."""
    names = dict.fromkeys((*below, *registries))
    return tuple(_host(_over(registries.get(name, {}), below.get(name, {}))) for name in names)


def _over(values: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one registry over those below. A way to log in replaces the one there."""
    hidden = {
        *(_OF_WAYS if _WAYS & values.keys() else ()),
        *(_OF_TLS if _OF_TLS & values.keys() else ()),
    }
    kept = {name: value for name, value in below.items() if name not in hidden}
    merged = {**kept, **values}
    if "origin" in values and any(kept.get(name) for name in _OF_LOGINS if name not in values):
        merged["origin"] = values["origin"] & below["origin"]
    return merged


def _host(values: Mapping[str, Any]) -> HostSettings:
    settings = dict(values)
    if "api_opts" in values:
        settings |= values["api_opts"].values
    if values.get("scheme") == "http":
        settings.setdefault("tls", "disabled")
    if values["name"] == DOCKER_HUB and values.get("hostname", "").lower() in DOCKER_HUB_NAMES:
        del settings["hostname"]
    login = Login(**fields_of(Login, settings))
    return HostSettings(login=login, **fields_of(HostSettings, settings))


def fields_of(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that are fields of a dataclass."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in settings.items() if name in names}
