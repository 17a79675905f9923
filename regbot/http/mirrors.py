"""Where a request may go: the mirrors of a registry, and the registry itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

from regbot.http.exchange import Scope
from regbot.http.hosts import HostSettings

DOWN_FOR = 60.0
"""Seconds that a mirror which failed is asked last."""


def ordered(
    upstream: HostSettings, mirrors: Iterable[HostSettings], is_down: Callable[[str], bool]
) -> list[HostSettings]:
    """All of them, in the order to ask: by priority, the lower first.

    A mirror comes before the upstream of equal priority, and last while it is down.
    """

    def rank(host: HostSettings) -> tuple[bool, int, bool]:
        mirror = host.name != upstream.name
        return mirror and is_down(host.name), host.priority, not mirror

    unique = {host.name: host for host in (*mirrors, upstream)}
    return sorted(unique.values(), key=rank)


def url_for(host: HostSettings, path: str, upstream: HostSettings) -> str:
    """The URL of a path such as ``/v2/app/tags/list?n=5`` at a host.

    A mirror is told whom it stands for by ``ns``, since it may mirror several.
    """
    parts = urlsplit(path)
    query = parts.query
    if host.name != upstream.name:
        query += f"{'&' if query else ''}ns={quote(upstream.name, safe='')}"
    prefixed = _prefixed(host, parts.path)
    return urlunsplit((host.scheme, host.address, prefixed, query, ""))


def _prefixed(host: HostSettings, path: str) -> str:
    prefix, rest = host.path_prefix.strip("/"), path.removeprefix("/v2/")
    if not prefix or rest == path or not rest or rest.startswith("_catalog"):
        return path
    return f"/v2/{prefix}/{rest}"


def scopes_for(host: HostSettings, scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The scopes under the names that repositories have at the host."""
    prefix = host.path_prefix.strip("/")
    if not prefix:
        return tuple(scopes)
    return tuple(
        replace(x, name=f"{prefix}/{x.name}") if x.kind == "repository" else x for x in scopes
    )


def owner(hosts: Sequence[HostSettings], url: str) -> tuple[HostSettings | None, str]:
    """Which of the hosts an absolute URL belongs to, and the URL to use.

    Registries behind a proxy that ends TLS hand out ``http`` URLs of their own; they
    are asked by https all the same. None is a place that gets no credentials.
    """
    parts = urlsplit(url)
    for host in hosts:
        same = _place(parts.netloc, parts.scheme) == _place(host.address, host.scheme)
        if same and parts.scheme == host.scheme:
            return host, url
        if parts.netloc == host.address and parts.scheme == "http":
            return host, urlunsplit(parts._replace(scheme=host.scheme))
    return None, url


def _place(netloc: str, scheme: str) -> str:
    return netloc.lower().removesuffix(":443" if scheme == "https" else ":80")
