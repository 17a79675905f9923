"""What is known of a registry host before it is asked: settings, and how to log in."""

from __future__ import annotations

import base64
from dataclasses import field
from typing import Literal

from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.oci.reference import DOCKER_HUB
from regbot.values import dataclass

Tls = Literal["enabled", "insecure", "disabled"]

DOCKER_HUB_HOST = "registry-1.docker.io"
HUB_KEY = "https://index.docker.io/v1/"
"""What docker's files and credential helpers call Docker Hub."""

IDENTITY_USER = "<token>"
"""The user whose password is an identity token, for docker and its helpers."""

DEFAULT_CONCURRENCY = 32


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
class Origin:
    """Where a login was read, such as ``regbot.yml:7``, and what to do when it is refused."""

    place: str = "the program that uses regbot"
    remedy: str = "correct it there"

    def __and__(self, other: Origin) -> Origin:
        """Of a login whose parts were read in two places."""
        if other.place == self.place:
            return self
        return Origin(f"{self.place} and {other.place}", self.remedy)


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in to one registry, from wherever it is known. Empty means not given.

    ``identity_token`` is exchanged at a token server for short-lived tokens, and sent as
    it is only where there is no such server; ``registry_token`` is always sent as it is.
    ``helper`` is the full name of a program that is asked for ``helper_key``, and whose
    answer holds for ``helper_expires`` seconds. ``helper_optional``: docker asks it for
    every host, and it may well not know this one. ``origin`` is for messages alone: logins
    from two places may be equal.
    """

    user: str = ""
    password: Secret = Secret()
    identity_token: Secret = Secret()
    registry_token: Secret = Secret()
    helper: str = ""
    helper_key: str = ""
    helper_expires: float | None = None
    helper_optional: bool = False
    origin: Origin = field(default=Origin(), compare=False)

    def __bool__(self) -> bool:
        """Whether there is anything to log in with, a helper aside."""
        return bool(self.user or self.password or self.identity_token or self.registry_token)

    @property
    def basic(self) -> str:
        """The Authorization header of basic authentication (RFC 7617), or empty."""
        return basic(self.user, self.password) if self.user or self.password else ""

    @property
    def direct(self) -> str:
        """The Authorization header that sends a token as it is, or empty."""
        token = self.registry_token or self.identity_token
        return f"Bearer {token.reveal()}" if token else ""

    def secrets(self) -> tuple[str, ...]:
        """The texts that no error may show."""
        secrets = (self.password, self.identity_token, self.registry_token)
        return tuple(secret.reveal() for secret in secrets if secret) + (
            (self.basic[6:],) if self.basic else ()
        )


def basic(user: str, password: Secret) -> str:
    """The Authorization header for a user and password."""
    pair = f"{user}:{password.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How to reach one registry. Empty or None means not given.

    ``name`` is the registry's name in references; sizes are in bytes and times in
    seconds; certificates and keys are PEM text.
    """

    name: str
    hostname: str = ""
    login: Login = Login()
    tls: Tls | None = None
    ca_certificate: str = field(default="", repr=False)
    client_certificate: str = field(default="", repr=False)
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
    blob_limit: int = DEFAULT_BLOB_LIMIT
    use_docker_config: bool = True
    environment: dict[str, str] = field(default_factory=dict)
