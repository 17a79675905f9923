"""Docker's client configuration: logins, identity tokens and credential helpers.

Read from ``config.json`` in ``$DOCKER_CONFIG`` or ``~/.docker``, and from the
JSON text in ``$DOCKER_AUTH_CONFIG``, which wins. What can't be read is a warning
that names the place; the rest of it still counts.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue
from regbot.events import Emit, Message
from regbot.files import open_regular
from regbot.http.hosts import HUB_KEY, IDENTITY_USER, HostSettings, Login, Origin, Secret
from regbot.oci.reference import DOCKER_HUB, DOCKER_HUB_NAMES
from regbot.values import dataclass

_PROGRAM = "docker-credential-"
_VARIABLE = "$DOCKER_AUTH_CONFIG"
_LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """Logins by registry name, those by a helper, and the one by the store of all others.

    ``plain`` are the registries that docker names by an ``http://`` URL alone.
    """

    logins: Mapping[str, Login] = field(default_factory=dict)
    helpers: Mapping[str, Login] = field(default_factory=dict)
    store: Login = Login()
    plain: frozenset[str] = frozenset()

    def login(self, registry: str) -> Login:
        """How to log in to a registry: its own helper, the store, or a login as text."""
        if registry in self.helpers:
            return self.helpers[registry]
        login = self.logins.get(registry, self.store)
        if not self.store.helper:
            return login
        key = HUB_KEY if registry == DOCKER_HUB else registry
        return replace(login, helper=self.store.helper, helper_key=key, helper_optional=True)

    def fill_in(self, settings: HostSettings, emit: Emit) -> HostSettings:
        """The settings of a registry with what docker's files add to them."""
        names = (settings.name, settings.address)
        logins = (self.login(name) for name in names)
        login = next((login for login in logins if login != Login()), Login())
        plain = settings.tls is None and not self.plain.isdisjoint(names)
        return replace(
            settings,
            login=_merged(settings, login, emit),
            tls="disabled" if plain else settings.tls,
        )


def _merged(settings: HostSettings, docker: Login, emit: Emit) -> Login:
    """The config's login, with docker's where the config gives none.

    User and password are filled in one by one. A token or a helper beats both, so
    docker's are taken only when the config names no way to log in.
    """
    login = settings.login
    silent = not (login.password or login.identity_token or login.registry_token or login.helper)
    replaced = [
        name
        for name, ours, theirs in (
            ("user", login.user, docker.user),
            ("pass", login.password, docker.password),
            ("token", login.identity_token, docker.identity_token),
            ("credHelper", login.helper, "" if docker.helper_optional else docker.helper),
        )
        if theirs and ours != theirs and (ours or not silent)
    ]
    if replaced:
        fields = {"registry": settings.name, "fields": ", ".join(replaced)}
        emit(Message("info", "the config replaces docker's login", fields))
    user, password = login.user or docker.user, login.password or docker.password
    if not silent:
        filled = (user, password) != (login.user, login.password) and not login.helper
        origin = login.origin & docker.origin if filled else login.origin
        return replace(login, user=user, password=password, origin=origin)
    return replace(
        docker,
        user=user,
        password=password,
        helper_key=login.helper_key or docker.helper_key,
        helper_expires=login.helper_expires,
        origin=docker.origin & login.origin if login.user else docker.origin,
    )


def load(environ: Mapping[str, str], emit: Emit) -> DockerConfig:
    """What the environment points at; empty when there is nothing."""
    from_file = load_file(environ, emit)
    text = environ.get("DOCKER_AUTH_CONFIG", "")
    if not text.strip():
        return from_file
    from_variable = _parse(text.encode("utf-8", "surrogateescape"), _VARIABLE, emit)
    helpers = {
        name: helper
        for name, helper in from_file.helpers.items()
        if name not in from_variable.logins
    }
    return DockerConfig(
        {**from_file.logins, **from_variable.logins},
        {**helpers, **from_variable.helpers},
        from_variable.store if from_variable.store.helper else from_file.store,
        (from_file.plain - from_variable.logins.keys()) | from_variable.plain,
    )


def config_path(environ: Mapping[str, str]) -> Path | None:
    """Where docker's file is, None where the environment names no folder for it."""
    folder, home = environ.get("DOCKER_CONFIG", ""), environ.get("HOME", "")
    if not folder and not home:
        return None
    return (Path(folder) if folder else Path(home) / ".docker") / "config.json"


def load_file(environ: Mapping[str, str], emit: Emit) -> DockerConfig:
    """What docker's file says; empty when there is none."""
    path = config_path(environ)
    if path is None:
        return DockerConfig()
    try:
        with open_regular(path) as file:
            raw = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return DockerConfig()
    except (OSError, ValueError) as error:
        _warn(emit, str(path), f"can't be read: {getattr(error, 'strerror', None) or error}")
        return DockerConfig()
    return _parse(raw, str(path), emit)


def content_of(raw: bytes) -> dict[str, Any]:
    """What a file of docker's says. Raises InvalidValue, which says what is wrong with it.

    A number that JSON can't have would come out otherwise than it went in.
    """
    if not raw.strip():
        raise InvalidValue("is empty")
    if len(raw) > _LARGEST:
        raise InvalidValue(f"is larger than {_LARGEST} bytes")
    try:
        content = json.loads(raw, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        raise InvalidValue("is not a JSON object") from None
    if not isinstance(content, dict):
        raise InvalidValue("is not a JSON object")
    return content


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidValue(f"has {text[:20]}, which is no number of JSON")
    return number


def _parse(raw: bytes, place: str, emit: Emit) -> DockerConfig:
    try:
        data = content_of(raw)
    except InvalidValue as error:
        _warn(emit, place, str(error))
        return DockerConfig()
    auths = _section(data, "auths", place, emit)
    helpers = _section(data, "credHelpers", place, emit)
    return DockerConfig(
        _logins(auths, place, emit),
        {
            registry_of(key): _by_helper(
                name, HUB_KEY if registry_of(key) == DOCKER_HUB else key, Origin(place)
            )
            for key, name in helpers.items()
            if isinstance(name, str) and name
        },
        _by_helper(data.get("credsStore"), "", Origin(place)),
        _plain([*auths, *helpers]),
    )


def _by_helper(name: object, key: str, origin: Origin) -> Login:
    """The login that a helper gives; an empty one where no helper is named."""
    if not isinstance(name, str) or not name:
        return Login()
    return Login(helper=_PROGRAM + name, helper_key=key, origin=origin)


def _section(data: Mapping[str, Any], name: str, place: str, emit: Emit) -> dict[str, Any]:
    section = data.get(name)
    if section is None:
        return {}
    if not isinstance(section, dict):
        _warn(emit, place, f"{name} is not a JSON object")
        return {}
    return section


def _logins(auths: Mapping[str, Any], place: str, emit: Emit) -> dict[str, Login]:
    by_registry: dict[str, Login] = {}
    exact: set[str] = set()
    for key, entry in auths.items():
        registry = registry_of(key)
        if not registry or registry in exact:
            continue
        login = _login(entry, Origin(place, _remedy(registry, place)))
        if login is None:
            _warn(emit, place, f"the login of {key!r} can't be read")
        elif login != Login():
            by_registry[registry] = login
            exact |= {registry} if key in {registry, HUB_KEY} else set()
    return by_registry


def _remedy(registry: str, place: str) -> str:
    """What renews a login; docker keeps it in its file, and not in the variable."""
    if place == _VARIABLE:
        return "correct it there"
    return f"run: regbot registry login {registry}"


def _login(entry: object, origin: Origin) -> Login | None:
    if not isinstance(entry, dict):
        return None
    names = ("username", "password", "identitytoken", "registrytoken", "auth")
    values = [entry.get(name) or "" for name in names]
    if not all(isinstance(value, str) for value in values):
        return None
    user, password, identity, registry, auth = values
    if auth:
        pair = _decoded(auth)
        if pair is None:
            return None
        user, password = pair
    if user == IDENTITY_USER:
        user, password, identity = "", "", identity or password
    return Login(user, Secret(password), Secret(identity), Secret(registry), origin=origin)


def _decoded(auth: str) -> tuple[str, str] | None:
    try:
        text = base64.b64decode(auth.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password.strip("\0")) if colon else None


def registry_of(key: str) -> str:
    """The registry a key stands for; empty for a path within one, as other tools write."""
    host, _, path = key.removeprefix("https://").removeprefix("http://").partition("/")
    if path.strip("/") not in {"", "v1", "v2"}:
        return ""
    return DOCKER_HUB if host in DOCKER_HUB_NAMES else host


def _plain(keys: Iterable[str]) -> frozenset[str]:
    """The registries that are named by ``http://`` alone, so that docker speaks no TLS there."""
    schemes: dict[str, set[bool]] = {}
    for key in keys:
        schemes.setdefault(registry_of(key), set()).add(key.startswith("http://"))
    return frozenset(name for name, plain in schemes.items() if name and plain == {True})


def _warn(emit: Emit, place: str, problem: str) -> None:
    emit(Message("warn", f"docker config {place}: {problem}; continuing without it"))
