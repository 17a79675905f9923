"""Referrers: the registry's own list of them, or the tag that stands in for it.

Distribution spec, "Listing Referrers" and "Referrers Tag Schema". Where there is
no API, the tag ``sha256-<hex>`` holds an index that clients have to keep up.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlencode

from regbot.errors import (
    ConnectionFailed,
    ContentError,
    Malformed,
    NotFound,
    NotSupported,
    RegbotError,
    RegistryError,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from regbot.http.exchange import Request, Response
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX, Descriptor, Manifest
from regbot.oci.referrers import fallback_tag, with_referrer, without_referrer
from regbot.oci.tag import Name, Tag
from regbot.stopping import Clock
from regbot.store.endpoint import Endpoint
from regbot.store.listing import LARGEST_PAGE, pages

LISTED_FOR = 60.0
"""Seconds for which a list of all tags shows what has no fallback tag."""
_LOOKS_FOR_A_PAGE = 4
"""A page of a list costs a registry as much as so many looks at fallback tags, about."""
_TRIES = 3
_ANSWERS = 2
"""So many answers say that there is no API: all later questions rest on that."""
_ACCEPT = {"Accept": OCI_INDEX}


class Tags(Protocol):
    """The calls of a store that the fallback tag is kept up with."""

    def original(self, name: Name) -> Manifest:
        """A manifest as the registry itself has it, no mirror."""
        ...

    def original_tags(self, limit: int) -> list[Tag]:
        """The first tags, all of them where there are fewer; from no mirror."""
        ...

    def write(self, name: Name, manifest: Manifest) -> None:
        """PUT a manifest and nothing else."""
        ...

    def delete_tag(self, tag: Tag, digest: Digest) -> None:
        """Delete one tag that is on a digest."""
        ...


class Known:
    """What is known of the referrers of a repository; all stores of a run share it."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.has_api: bool | None = None
        self.was_asked = False
        self.first = threading.Lock()
        self.changing = threading.Lock()
        self._listed: tuple[float, frozenset[Tag]] = (-math.inf, frozenset())
        self._changed_at = -math.inf

    def listed(self, began: float, tags: Iterable[Tag]) -> None:
        """All tags of the repository were listed; the list was asked for at ``began``."""
        if began > self._changed_at:
            self._listed = (began, frozenset(tag for tag in tags if tag.startswith("sha")))

    def changed(self) -> None:
        """A fallback tag was or may have been written: older lists tell nothing any more."""
        self._changed_at = self.clock()
        self._listed = (-math.inf, frozenset())

    def are_none(self, subject: Digest) -> bool:
        """Whether it is known that nothing refers to a digest.

        That is so for a minute after ``listed``, where there is no API.
        """
        return self.is_listed and fallback_tag(subject) not in self._listed[1]

    @property
    def is_listed(self) -> bool:
        """Whether there is no API, and a list of tags that is young enough."""
        return self.has_api is False and self.clock() - self._listed[0] < LISTED_FOR


class Referrers:
    """The referrers in one repository. Threads may share it."""

    def __init__(self, endpoint: Endpoint, tags: Tags, known: Known) -> None:
        self._endpoint = endpoint
        self._tags = tags
        self._known = known
        self._looks = 0
        self._pages = 1
        self._listing_tags = threading.Lock()

    def of(self, subject: Digest, artifact_type: str = "") -> list[Descriptor]:
        """The descriptors of what refers to ``subject``, each once."""
        referrers = self._by_api(subject, artifact_type)
        if referrers is None:
            listing = self._listing(fallback_tag(subject))
            referrers = list(listing.manifests) if listing else []
        unique = {referrer.digest: referrer for referrer in referrers}
        return [
            referrer
            for referrer in unique.values()
            if artifact_type in ("", referrer.artifact_type)
        ]

    def has_api(self, subject: Digest) -> bool:
        """Whether the registry lists referrers itself; asked once a repository.

        Two answers that are no index, such as web pages, are not an API.
        """
        if self._known.has_api is None:
            for _ in range(_ANSWERS):
                with suppress(ContentError):
                    self._by_api(subject, "")
                    break
            else:
                self._known.has_api = bool(self._known.has_api)
        return bool(self._known.has_api)

    def are_none(self, subject: Digest) -> bool:
        """Whether it is known without a question for this digest that nothing refers to it.

        A first question that is under way is waited for. Where this is asked often, all tags are
        listed, as far as that is cheaper than a look at each fallback tag. A list that can't be
        read tells nothing.
        """
        with self._known.first:
            pass
        if self._known.has_api is False and not self._known.is_listed:
            self._looks += 1
            if self._is_list_due():
                self._list_tags()
        return self._known.are_none(subject)

    def _is_list_due(self) -> bool:
        return self._looks > _LOOKS_FOR_A_PAGE * self._pages

    def _list_tags(self) -> None:
        """List the tags; of a long list a part, and more next time.

        Where another thread does, that is waited for as long as it asks for one page.
        """
        if not self._listing_tags.acquire(blocking=self._pages == 1):
            return
        try:
            if self._known.is_listed or not self._is_list_due():
                return
            self._looks = 0
            began, most = self._known.clock(), self._pages * LARGEST_PAGE
            tags = self._tags.original_tags(most)
            if len(tags) < most:
                self._known.listed(began, tags)
            else:
                self._pages *= 2
        except RegbotError:
            self._pages *= 2
        finally:
            self._listing_tags.release()

    def add(self, manifest: Manifest, subject: Digest) -> None:
        """List a manifest on the fallback tag of its subject."""
        self._change(fallback_tag(subject), lambda listing: with_referrer(listing, manifest))

    def remove(self, digest: Digest, subject: Digest) -> None:
        """Take a deleted manifest off the fallback tag; a tag left empty goes."""
        self._change(
            fallback_tag(subject),
            lambda listing: listing and without_referrer(listing, digest),
        )

    def _by_api(self, subject: Digest, artifact_type: str) -> list[Descriptor] | None:
        """None where there is no API, which is what a 404 means.

        Nobody else asks before the first question is answered.
        """
        with self._known.first:
            if not self._known.was_asked:
                self._known.was_asked = True
                return self._ask_api(subject, artifact_type)
        return None if self._known.has_api is False else self._ask_api(subject, artifact_type)

    def _ask_api(
        self, subject: Digest, artifact_type: str, answers: int = _ANSWERS
    ) -> list[Descriptor] | None:
        """None where so many answers say that there is no API.

        One of several servers behind a name may be older than the others.
        """
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        path = self._endpoint.path(f"referrers/{subject}{query}")
        what = f"referrers of {subject} in {self._endpoint.reference}"
        referrers: list[Descriptor] = []
        try:
            for data, _ in pages(self._send, path, what):
                referrers += _descriptors(data, what)
                self._known.has_api = True
        except (Unauthorized, TooManyRequests, ServerFault):
            raise
        except RegistryError:
            if self._known.has_api:
                raise
            if self._known.has_api is None and answers > 1:
                return self._ask_api(subject, artifact_type, answers - 1)
            self._known.has_api = False
            return None
        return referrers

    def _send(self, url: str) -> Response:
        request = Request("GET", url, scopes=self._endpoint.pull, headers=_ACCEPT)
        return self._endpoint.send(request)

    def _listing(self, tag: Tag) -> Manifest | None:
        """The index on a fallback tag; None when there is no such tag."""
        try:
            listing = self._tags.original(tag)
        except NotFound:
            return None
        if not listing.is_index:
            raise Malformed(f"{self._endpoint.reference}:{tag} is not an index of referrers")
        return listing

    def _change(self, tag: Tag, change: Callable[[Manifest | None], Manifest | None]) -> None:
        """Write the tag and read it back: another client may write it at the same time."""
        with self._known.changing:
            self._known.changed()
            try:
                for _ in range(_TRIES):
                    listing = self._listing(tag)
                    wanted = change(listing)
                    if wanted == listing:
                        return
                    if wanted is not None:
                        self._tags.write(tag, wanted)
                    elif listing is not None:
                        self._empty(tag, listing)
            finally:
                self._known.changed()

    def _empty(self, tag: Tag, listing: Manifest) -> None:
        """Leave an empty index on the tag, and delete the tag where that can be done."""
        empty = Manifest.build({**listing.data, "manifests": []})
        self._tags.write(tag, empty)
        try:
            self._tags.delete_tag(tag, empty.digest)
        except (NotFound, NotSupported, RegistryError, ConnectionFailed):
            return


def _descriptors(data: dict[str, Any], what: str) -> list[Descriptor]:
    entries = data.get("manifests", False)
    if entries is not None and not isinstance(entries, list):
        raise Malformed(f"{what}: the answer is not an index")
    return [Descriptor.from_json(entry) for entry in entries or ()]
