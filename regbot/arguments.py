"""What the arguments of the Python library mean. A wrong type is a TypeError that names both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from regbot.config.load import default_config, read_config
from regbot.config.values import CacheSettings, Config
from regbot.errors import InvalidValue
from regbot.http.hosts import HostSettings
from regbot.oci.digest import Digest
from regbot.oci.reference import DEFAULT_TAG, Reference
from regbot.oci.tag import Tag
from regbot.plan.guard import Guard
from regbot.plan.turns import Turns

Named = str | Reference
"""How a caller names an image or a repository."""

_T = TypeVar("_T")
_ANYWHERE = Path("/")
"""A Python program may use any folder; a script has its workDir."""


def expect(argument: str, value: _T, *kinds: type) -> _T:
    """The value, which has to be of one of these types. Raises TypeError."""
    if isinstance(value, kinds):
        return value
    expected = " or ".join(kind.__name__ for kind in kinds)
    raise TypeError(f"{argument}: expected {expected}, got {type(value).__name__}")


def reference_of(name: Named, *, default_tag: Tag | None = DEFAULT_TAG) -> Reference:
    """The reference that is meant. Raises InvalidValue and TypeError."""
    named = expect("reference", name, str, Reference)
    return Reference.parse(named, default_tag=default_tag) if isinstance(named, str) else named


def tagged(name: Named) -> Reference:
    """The reference that is meant, which has to name its tag. Raises as ``reference_of``."""
    reference = reference_of(name, default_tag=None)
    if not reference.tag:
        raise InvalidValue(f"{reference} names no tag")
    return reference


def digest_of(digest: str | Digest) -> Digest:
    """The digest that is meant. Raises InvalidValue and TypeError."""
    named = expect("digest", digest, str, Digest)
    return Digest.parse(named) if isinstance(named, str) else named


def config_of(
    path: str,
    hosts: Iterable[HostSettings],
    guard: Guard | None,
    environment: Mapping[str, str],
    *,
    docker_config: bool,
) -> Config:
    """The config at a path, or one without any settings, with what is given beside it.

    Without a path only the registries that the person has set up count. Then nothing is read
    ahead or cached. Raises ConfigError and TypeError.
    """
    if path:
        stdin = sys.stdin.buffer if sys.stdin else BytesIO()
        config = read_config(path, environ=environment, stdin=stdin)
    else:
        config = replace(
            default_config(environment, Path.cwd()),
            readahead=0,
            cache=CacheSettings(size=0),
        )
    added = tuple(expect("hosts", host, HostSettings) for host in hosts)
    names = {host.name for host in added}
    kept = tuple(host for host in config.client.hosts if host.name not in names)
    uses_docker = config.client.use_docker_config and docker_config
    client = replace(config.client, hosts=(*kept, *added), use_docker_config=uses_docker)
    first = expect("guard", guard or Guard(), Guard)
    scripts = tuple(replace(each, guard=first.over(each.guard)) for each in config.scripts)
    defaults = replace(
        config.defaults,
        name="library",
        guard=first.over(config.defaults.guard),
        work_dir=_ANYWHERE,
    )
    return replace(config, client=client, defaults=defaults, scripts=scripts)


@cache
def turns_of_process() -> Turns:
    """The turns that all clients of this process take with one another."""
    return Turns()
