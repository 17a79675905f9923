"""Settings of a registry host, merged from defaults, docker's files and the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
    seconds; certificates and keys are PEM text.
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
