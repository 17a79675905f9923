"""Lists that come in pages: tags of a repository, repositories of a registry.

Distribution spec, "Listing Tags". A part of a list would silently change what
"the newest N" are, so whatever breaks a listing raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from regbot.errors import (
    Forbidden,
    Malformed,
    NotSupported,
    RegistryError,
    RegistryNotFound,
    RegistryUnsupported,
    Unauthorized,
)
from regbot.http.exchange import Exchange, Request, Response, Scope
from regbot.http.links import next_link
from regbot.oci.manifest import MEBIBYTE, parse_object
from regbot.oci.reference import DOCKER_HUB
from regbot.store.endpoint import fetch, joined

PAGE_LIMIT = 32 * MEBIBYTE
"""Bytes of one page: a registry without pages sends all tags at once."""

LARGEST_PAGE = 1000
"""Names asked for at once: some registries refuse a bigger ``n``."""

_PAGES_WITHOUT_NEWS = 100
_ROUND = 10
"""Without a Link, a list of a round number of names may be a page and not the whole."""

Send = Callable[[str], Response]
"""GETs a path below the API's root, or an absolute URL from a Link."""


def pages(send: Send, first: str, what: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each page's JSON object, and whether a Link to another one follows.

    Raises Malformed for a Link that leads back to a page seen before.
    """
    url, seen = first, {first}
    while url:
        body, answer = fetch(partial(send, url), PAGE_LIMIT)
        data = parse_object(body, what)
        link = next_link(answer.headers.get("Link", ""))
        target = joined(answer.url, link, what) if link else ""
        seen.add(answer.url)
        if data.get("errors"):
            raise Malformed(f"{what}: the registry answered with an error in place of a list")
        if target in seen:
            raise Malformed(f"{what}: the pages of the list form a loop")
        seen.add(target)
        yield data, bool(target)
        url = target


def list_names(send: Send, path: str, key: str, *, limit: int | None, last: str) -> list[str]:
    """The names after ``last`` under ``key``, all of them or the first ``limit``, each once.

    All are sorted; some come in the order of the registry, which has its own idea
    of what is after ``last``. Many registries heed neither ``n`` nor ``last``.
    """
    if limit is not None:
        some = _Listing(send, path, key).first(limit, last)
        if some is not None:
            return some
    names = _Listing(send, path, key).whole()
    return sorted(name for name in names if not last or name > last)[:limit]


class _Listing:
    """One list on its way, page by page."""

    def __init__(self, send: Send, path: str, key: str) -> None:
        self._send = send
        self._path = path
        self._key = key
        self._names: dict[str, None] = {}
        self._linked = False

    def whole(self) -> list[str]:
        """All names. No page size is asked for: most registries then send all at once."""
        self._walk(self._address(None, ""))
        while not self._linked and self._names and len(self._names) % _ROUND == 0:
            before = len(self._names)
            self._walk(self._address(None, next(reversed(self._names))))
            if len(self._names) == before:
                break
        return list(self._names)

    def first(self, limit: int, last: str) -> list[str] | None:
        """The first ``limit`` after ``last``; None when the registry heeds neither."""
        size = min(limit, LARGEST_PAGE)
        while len(self._names) < limit:
            before = len(self._names)
            page = self._walk(self._address(size, last), limit)
            if len(page) > size or any(_is_before(name, last) for name in page):
                return None
            if self._linked or len(page) < size or len(self._names) == before:
                break
            last = page[-1]
        return list(self._names)[:limit]

    def _walk(self, first: str, limit: int | None = None) -> list[str]:
        """Add the names of a page and of those it links to; the first page's names."""
        what, idle = f"the list of {self._key}", 0
        shown: list[str] | None = None
        for data, more in pages(self._send, first, what):
            page = _names_of(data, self._key)
            shown = page if shown is None else shown
            before = len(self._names)
            self._names.update(dict.fromkeys(page))
            self._linked = self._linked or more
            idle = 0 if len(self._names) > before else idle + 1
            if idle > _PAGES_WITHOUT_NEWS:
                raise Malformed(f"{what}: {idle} pages without a new name")
            if limit is not None and len(self._names) >= limit:
                break
        return shown or []

    def _address(self, size: int | None, last: str) -> str:
        query = {**({"n": str(size)} if size else {}), **({"last": last} if last else {})}
        return f"{self._path}?{urlencode(query, quote_via=quote)}" if query else self._path


def _is_before(name: str, last: str) -> bool:
    """Whether a name has no place after ``last``, neither by bytes nor without case."""
    return bool(last) and name <= last and name.casefold() <= last.casefold()


def _names_of(data: dict[str, Any], key: str) -> list[str]:
    if key not in data and "name" not in data:
        raise Malformed(f"the list of {key} has no {key!r}")
    names = data.get(key)
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Malformed(f"the list of {key} is not an array of names")
    return names


def list_repositories(
    exchange: Exchange, registry: str, *, limit: int | None = None, last: str = ""
) -> list[str]:
    """The repositories of a registry, as far as it tells (``/v2/_catalog``).

    Raises NotSupported where there is no catalog, as on Docker Hub.
    """
    scope = Scope("registry", "catalog", ("*",))

    def send(url: str) -> Response:
        request = Request("GET", url, scopes=(scope,))
        return exchange.send(registry, request)

    try:
        return list_names(send, "/v2/_catalog", "repositories", limit=limit, last=last)
    except RegistryError as error:
        refused = registry == DOCKER_HUB and isinstance(error, Unauthorized | Forbidden)
        if refused or isinstance(error, RegistryNotFound | RegistryUnsupported):
            raise NotSupported(
                f"{registry} does not list its repositories (answered {error.status})"
            ) from error
        raise
