"""What a run brought to where, so that each blob is sent to a registry once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference

_LOOK_FOR_STOP = 0.2
"""Seconds from one look to the next at whether the work has to end."""


class Deliveries:
    """The repositories that have a blob, as copies of a run found them; threads may share it.

    A registry can mount a blob from one of its repositories in another one (distribution
    spec, "Mounting a blob"), so what several images need has to be sent there only once.
    What is known here may be out of date: content is removed while a run goes on, too.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy: set[tuple[str, Digest]] = set()
        self._places: dict[tuple[str, Digest], dict[Reference, None]] = {}

    @contextmanager
    def turn(
        self, target: Reference, digest: Digest, check: Callable[[], None]
    ) -> Iterator[dict[Reference, None]]:
        """The repositories of the target's registry that have a blob, the first one first.

        Nobody else brings the blob to that registry in the meantime; whoever does adds the
        repository. ``check`` raises when waiting for others has to end.
        """
        key = (target.registry or str(target), digest)
        with self._changed:
            while key in self._busy:
                check()
                self._changed.wait(_LOOK_FOR_STOP)
            self._busy.add(key)
        try:
            yield self._places.setdefault(key, {})
        finally:
            with self._changed:
                self._busy.discard(key)
                self._changed.notify_all()
