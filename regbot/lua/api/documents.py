"""The documents that a script was given last, so that they need not come back from it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from regbot.lua.binding import Passed

_MOST_BYTES = 1024 * 1024

_Key = tuple[str, str, str]


class Documents:
    """Manifests and configs that were sent to a script; threads may share it.

    A script gives back an object by its digest. Where the document is not kept any more,
    the script's process is asked for the whole object.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._lock = threading.Lock()
        self._left = most_bytes
        self._kept: dict[_Key, tuple[Any, int]] = {}

    def keep(self, given: Passed) -> None:
        """Keep the document of an object on its way to the script; the oldest may have to go."""
        if given.document is None:
            return
        key, size = _key(given.kind, given.value), len(given.value["raw"])
        with self._lock:
            _, before = self._kept.pop(key, (None, 0))
            self._kept[key] = (given.document, size)
            self._left += before - size
            while self._left < 0:
                _, oldest = self._kept.pop(next(iter(self._kept)))
                self._left += oldest

    def of(self, kind: str, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The document of an object that comes back, or None."""
        with self._lock:
            document, _ = self._kept.get(_key(kind, fields), (None, 0))
            return document


def _key(kind: str, fields: Mapping[str, Any]) -> _Key:
    """The bytes of a document, and how they were to be read."""
    return kind, fields["digest"], fields["mediaType"]
