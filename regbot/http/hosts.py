"""Settings of a registry host, merged from defaults, docker's files and the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from regbot.events import Emit, Message
from regbot.oci.reference import DOCKER_HUB

Tls = Literal["enabled", "insecure", "disabled"]

DOCKER_HUB_HOST = "registry-1.docker.io"
DEFAULT_CONCURRENCY = 16


class Secret:
    """A text that no log, error or repr shows. ``reveal`` is for the wire alone."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How to speak with one registry. Empty or None means not said.

    ``name`` is the registry's name in references; sizes are in bytes and times in
    seconds; certificates and keys are PEM text. Docker's files alone give a
    ``registry_token``, sent as it is, and ``cred_optional``: the helper is asked for
    every host and may well know nothing of this one.
    """

    name: str
    hostname: str = ""
    user: str = ""
    password: Secret = Secret()
    token: Secret = Secret()
    cred_helper: str = ""
    cred_expire: float | None = None
    cred_host: str = ""
    tls: Tls | None = None
    ca_certificate: str = ""
    client_certificate: str = ""
    client_key: Secret = Secret()
    path_prefix: str = ""
    mirrors: tuple[str, ...] = ()
    priority: int = 0
    repo_auth: bool = False
    blob_chunk: int | None = None
    blob_max: int | None = None
    requests_per_second: float = 0.0
    concurrency: int = DEFAULT_CONCURRENCY
    disable_head: bool = False
    registry_token: Secret = Secret()
    cred_optional: bool = False

    @property
    def address(self) -> str:
        """Where to connect: host[:port]."""
        return self.hostname or (DOCKER_HUB_HOST if self.name == DOCKER_HUB else self.name)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "http" if self.tls == "disabled" else "https"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What all hosts share. ``blob_limit`` bounds manifests and configs, in bytes."""

    hosts: tuple[HostSettings, ...] = ()
    user_agent: str = ""
    blob_limit: int = 0
    use_docker_config: bool = True
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DockerLogin:
    """What docker's files say of one registry. Empty means not said.

    ``helper`` is the program's full name, ``helper_key`` what it is asked for.
    """

    user: str = ""
    password: Secret = Secret()
    identity_token: Secret = Secret()
    registry_token: Secret = Secret()
    helper: str = ""
    helper_key: str = ""
    helper_optional: bool = False


def merge(said: HostSettings, login: DockerLogin, emit: Emit) -> HostSettings:
    """Settings with docker's login filled in where the config says nothing.

    User and password are filled in one by one. A token or a helper beats both, so
    docker's are taken only when the config names no way to log in.
    """
    silent = not (said.password or said.token or said.registry_token or said.cred_helper)
    changed = [
        name
        for name, own, other in (
            ("user", said.user, login.user),
            ("pass", said.password, login.password),
            ("token", said.token, login.identity_token),
            ("credHelper", said.cred_helper, "" if login.helper_optional else login.helper),
        )
        if other and own != other and (own or not silent)
    ]
    if changed:
        fields = {"registry": said.name, "fields": ", ".join(changed)}
        emit(Message("info", "the config replaces docker's login", fields))
    merged = replace(said, user=said.user or login.user, password=said.password or login.password)
    if not silent:
        return merged
    return replace(
        merged,
        token=login.identity_token,
        registry_token=login.registry_token,
        cred_helper=login.helper,
        cred_host=said.cred_host or login.helper_key,
        cred_optional=login.helper_optional,
    )
