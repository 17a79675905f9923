"""References: full names of images in registries and layout folders.

``[host[:port]/]repository[:tag][@digest]`` with Docker's defaults filled in, or
``ocidir://path[:tag][@digest]``. Distribution spec, "Pulling manifests", defines
repositories and tags.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from sys import intern
from typing import Literal

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.tag import Name, Tag
from regbot.values import dataclass

DOCKER_HUB = "docker.io"
DOCKER_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine by which a registry on it is reached; they count as one."""
DEFAULT_TAG = Tag("latest")

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_ADDRESS = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])"
_HOST = re.compile(rf"{_ADDRESS}(?::(?P<port>[0-9]{{1,5}}))?")
_LAYOUT_PREFIX = "ocidir://"
_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*@|[^/@:]*:[^/]*@[^@/]*[./]")
"""A user, a password or both before a host, as URLs may have them."""
_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of an image or repository.

    ``scheme`` is ``registry`` or ``ocidir``. ``registry`` is host[:port], and
    ``repository`` the path within it or the path of a layout folder. References that were
    parsed share both, since a run keeps one for each tag that it deletes.
    """

    scheme: Literal["registry", "ocidir"]
    registry: str
    repository: str
    tag: Tag | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_tag: Tag | None = DEFAULT_TAG) -> Reference:
        """Read a reference and fill in Docker's defaults.

        ``default_tag`` is used if there is neither tag nor digest; with None both stay
        unset. Raises InvalidValue that says what is wrong and where.
        """
        if text.startswith(_LAYOUT_PREFIX):
            return cls._parse_layout(text, default_tag)
        _refuse_login(text)
        if "://" in text:
            raise InvalidValue(f"reference {text!r}: remove the scheme before ://")
        name, digest = _split_digest(text)
        name, tag = _split_tag(name)
        host, slash, rest = name.partition("/")
        if slash and ("." in host or ":" in host or host == "localhost" or host != host.lower()):
            registry, repository = parse_registry(host, within=text), rest
        else:
            registry, repository = DOCKER_HUB, name
        if registry == DOCKER_HUB and repository and "/" not in repository:
            repository = f"library/{repository}"
        _check_repository(text, repository)
        names = _named(text, tag, digest, default_tag)
        return cls("registry", intern(str(registry)), intern(str(repository)), *names)

    @classmethod
    def _parse_layout(cls, text: str, default_tag: Tag | None) -> Reference:
        name, digest = text.removeprefix(_LAYOUT_PREFIX), None
        before, at, after = name.rpartition("@")
        if at and "/" not in after:
            name, digest = before, after
        path, tag = _split_tag(name)
        if not path:
            raise InvalidValue(f"reference {text!r}: the folder after {_LAYOUT_PREFIX} is missing")
        if not path.isprintable() or ":" in path.rpartition("/")[2]:
            raise InvalidValue(
                f"reference {text!r}: a folder's name can't hold a colon or a control character"
            )
        return cls("ocidir", "", intern(str(path)), *_named(text, tag, digest, default_tag))

    @property
    def name(self) -> Name:
        """The name to request a manifest by: the digest if there is one, else the tag.

        Raises InvalidValue if there is neither.
        """
        name = self.digest or self.tag
        if name is None:
            raise InvalidValue(f"reference {self} has neither a tag nor a digest")
        return name

    def checked(self) -> Reference:
        """The same reference. Raises InvalidValue if that is no name of a repository.

        For references that were put together from what a registry says.
        """
        if self.scheme == "registry":
            _check_repository(str(self), self.repository)
        return self

    @property
    def without_name(self) -> Reference:
        """The repository alone, without tag and digest."""
        if self.tag is None and self.digest is None:
            return self
        return Reference(self.scheme, self.registry, self.repository)

    def with_name(self, name: Name) -> Reference:
        """The same repository with a tag or a digest."""
        return self.with_digest(name) if isinstance(name, Digest) else self.with_tag(name)

    def with_tag(self, tag: Tag) -> Reference:
        """The same repository with a tag, without digest."""
        return Reference(self.scheme, self.registry, self.repository, tag)

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository with a digest, without tag."""
        return Reference(self.scheme, self.registry, self.repository, None, digest)

    def __str__(self) -> str:
        base = (
            f"{_LAYOUT_PREFIX}{self.repository}"
            if self.scheme == "ocidir"
            else f"{self.registry}/{self.repository}"
        )
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return base + tag + digest

    def __repr__(self) -> str:
        unnamed = "" if self.tag or self.digest else ", default_tag=None"
        return f"Reference.parse({str(self)!r}{unnamed})"


def parse_registry(text: str, *, within: str = "") -> str:
    """The name of a registry, host[:port]; all names of Docker Hub become one.

    ``within`` is the reference that contains it, for errors. Raises InvalidValue.
    """
    _refuse_login(text)
    match = _HOST.fullmatch(text)
    port = match["port"] if match else None
    if match is None or (port and not 0 < int(port) < 65536) or not _is_address(text):
        where = f" in {within!r}" if within and within != text else ""
        raise InvalidValue(f"registry {text!r}{where} is not a host name with an optional :port")
    return DOCKER_HUB if text.lower() in DOCKER_HUB_NAMES else text


def names_of_registry(registry: str) -> tuple[str, ...]:
    """All names of a registry that are known to mean the same, itself among them.

    Those are the names of this machine's loopback interface with the same port. The
    first is the one to compare by.
    """
    for name in LOOPBACK:
        host, port = registry[: len(name)].lower(), registry[len(name) :]
        if host == name and (not port or port.startswith(":")):
            return tuple(other + port for other in LOOPBACK)
    return (registry,)


def _refuse_login(text: str) -> None:
    """Raise InvalidValue for a name with a login in it, without showing that."""
    if _LOGIN.match(text):
        raise InvalidValue(
            "the name of an image or a registry can't hold a login, which logs would show"
            " (remove what is before @, and log in: regbot registry login HOST)"
        )


def _is_address(host: str) -> bool:
    """Whether a host in brackets, if it is one, is an IPv6 address."""
    if not host.startswith("["):
        return True
    try:
        IPv6Address(host[1:].partition("]")[0])
    except ValueError:
        return False
    return True


def _split_digest(text: str) -> tuple[str, str | None]:
    name, at, digest = text.partition("@")
    return name, digest if at else None


def _split_tag(name: str) -> tuple[str, str | None]:
    colon = name.rfind(":")
    if colon > name.rfind("/"):
        return name[:colon], name[colon + 1 :]
    return name, None


def _named(
    text: str, tag: str | None, digest: str | None, default_tag: Tag | None
) -> tuple[Tag | None, Digest | None]:
    """The tag and the digest of a reference, checked. Raises InvalidValue."""
    if tag is None and digest is None:
        return default_tag, None
    try:
        return (
            None if tag is None else Tag.parse(tag),
            None if digest is None else Digest.parse(digest),
        )
    except InvalidValue as error:
        raise InvalidValue(f"reference {text!r}: {error}") from None


def _check_repository(text: str, repository: str) -> None:
    if not repository:
        raise InvalidValue(f"reference {text!r}: the repository is missing")
    if len(repository) > _NAME_LENGTH:
        raise InvalidValue(
            f"reference {text!r}: the repository is longer than {_NAME_LENGTH} characters"
        )
    for component in repository.split("/"):
        match = _COMPONENT.match(component)
        if match and match.end() == len(component):
            continue
        bad = component[match.end() :] if match else component
        place = text.find(component) + (match.end() if match else 0) + 1
        what = f"{bad[0]!r} at column {place}" if bad else f"an empty part at column {place}"
        raise InvalidValue(
            f"reference {text!r}: {what} is not allowed in a repository"
            " (lower-case letters, digits and single . _ - between them)"
        )
