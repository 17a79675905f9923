"""References: names of a registry's or a layout folder's content.

``[host[:port]/]repository[:tag][@digest]`` with docker's defaults filled in, or
``ocidir://path[:tag][@digest]``. Distribution spec, "Pulling manifests", gives
the grammar of repositories and tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Literal

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest

DOCKER_HUB = "docker.io"
DOCKER_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
DEFAULT_TAG = "latest"

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_ADDRESS = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])"
_HOST = re.compile(rf"{_ADDRESS}(?::(?P<port>[0-9]{{1,5}}))?")
_LAYOUT_PREFIX = "ocidir://"
_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """A name of content.

    ``scheme`` is ``registry`` or ``ocidir``; ``registry`` is host[:port] and
    ``repository`` the path within it, or the folder of a layout. ``tag`` and
    ``digest`` are empty when unset.
    """

    scheme: Literal["registry", "ocidir"]
    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str, *, default_tag: str = DEFAULT_TAG) -> Reference:
        """Read a reference and fill in docker's defaults.

        ``default_tag`` is taken where there is neither tag nor digest. Raises
        InvalidValue that says what is wrong and where.
        """
        if text.startswith(_LAYOUT_PREFIX):
            return cls._parse_layout(text, default_tag)
        if "://" in text:
            raise InvalidValue(f"reference {text!r}: remove the scheme before ://")
        name, at, digest = text.partition("@")
        name, tag = _split_tag(name)
        host, slash, rest = name.partition("/")
        if slash and ("." in host or ":" in host or host == "localhost" or host != host.lower()):
            registry, repository = parse_registry(host, within=text), rest
        else:
            registry, repository = DOCKER_HUB, name
        if registry == DOCKER_HUB and repository and "/" not in repository:
            repository = f"library/{repository}"
        _check_repository(text, repository)
        if at:
            Digest.parse(digest)
        if tag is not None:
            _check_tag(text, tag)
        return cls("registry", registry, repository, tag or ("" if at else default_tag), digest)

    @classmethod
    def _parse_layout(cls, text: str, default_tag: str) -> Reference:
        name, at, digest = text.removeprefix(_LAYOUT_PREFIX).rpartition("@")
        if not at or "/" in digest:
            name, at, digest = text.removeprefix(_LAYOUT_PREFIX), "", ""
        path, tag = _split_tag(name)
        if not path:
            raise InvalidValue(f"reference {text!r}: the folder after {_LAYOUT_PREFIX} is missing")
        if not path.isprintable() or ":" in path.rpartition("/")[2]:
            raise InvalidValue(
                f"reference {text!r}: a folder's name can't hold a colon or a control character"
            )
        if at:
            Digest.parse(digest)
        if tag is not None:
            _check_tag(text, tag)
        return cls("ocidir", "", path, tag or ("" if at else default_tag), digest)

    @property
    def name(self) -> str:
        """What manifests are asked for by: the digest when there is one, else the tag."""
        return self.digest or self.tag

    @property
    def without_name(self) -> Reference:
        """The repository alone: neither tag nor digest."""
        return replace(self, tag="", digest="")

    def with_tag(self, tag: str) -> Reference:
        """The same repository at a tag, without digest. Raises InvalidValue."""
        _check_tag(tag, tag)
        return replace(self, tag=tag, digest="")

    def with_digest(self, digest: str) -> Reference:
        """The same repository at a digest, without tag. Raises InvalidValue."""
        return replace(self, tag="", digest=str(Digest.parse(digest)))

    def __str__(self) -> str:
        base = (
            f"{_LAYOUT_PREFIX}{self.repository}"
            if self.scheme == "ocidir"
            else f"{self.registry}/{self.repository}"
        )
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return base + tag + digest


def parse_registry(text: str, *, within: str = "") -> str:
    """The name of a registry, host[:port], with Docker Hub's names made one.

    ``within`` is the reference it stands in, for the error. Raises InvalidValue.
    """
    match = _HOST.fullmatch(text)
    port = match["port"] if match else None
    if match is None or (port and not 0 < int(port) < 65536) or not _is_address(text):
        where = f" in {within!r}" if within and within != text else ""
        raise InvalidValue(f"registry {text!r}{where} is not a host name with an optional :port")
    return DOCKER_HUB if text.lower() in DOCKER_HUB_NAMES else text


def is_tag(text: str) -> bool:
    """Whether a text can be a tag."""
    return _TAG.fullmatch(text) is not None


def _is_address(host: str) -> bool:
    """Whether what is in brackets, if anything, is an IPv6 address."""
    if not host.startswith("["):
        return True
    try:
        IPv6Address(host[1:].partition("]")[0])
    except ValueError:
        return False
    return True


def _split_tag(name: str) -> tuple[str, str | None]:
    colon = name.rfind(":")
    if colon > name.rfind("/"):
        return name[:colon], name[colon + 1 :]
    return name, None


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


def _check_tag(text: str, tag: str) -> None:
    if is_tag(tag):
        return
    what = f"reference {text!r}: tag" if text != tag else "tag"
    if not tag:
        raise InvalidValue(f"{what} is empty")
    if len(tag) > 128:
        raise InvalidValue(f"{what} {tag!r} is longer than 128 characters")
    raise InvalidValue(f"{what} {tag!r} is not letters, digits, _ . - (not beginning with . or -)")
