"""The repositories that an entry of the config is about, and a run at each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from regbot.config.values import Repositories
from regbot.errors import RegbotError, ScriptTimeout, Stopped
from regbot.events import (
    Emit,
    Event,
    Hearing,
    Level,
    Message,
    RepositoryEnded,
    RepositoryStarted,
    StepsAhead,
    kinds_of,
)
from regbot.oci.reference import Reference
from regbot.store.protocol import ReadStores
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A repository. ``is_named``: the config names it, so it has to exist."""

    repository: Reference
    is_named: bool


class EachRepository:
    """Runs something for many repositories, ``parallel`` at once; 0 and 1 are one by one.

    What fails at one repository stops no other; what ends the run begins no other.
    """

    def __init__(self, script: str, emit: Emit, *, parallel: int) -> None:
        self._script = script
        self._emit = emit
        self._parallel = max(1, parallel)
        self._failures: dict[str, str] = {}
        self._is_over = False

    def run(
        self, parts: Sequence[Repositories], stores: ReadStores, work: Callable[[Place], None]
    ) -> dict[str, str]:
        """Do the work at each repository once. Gives why, by the name of each where it failed.

        A registry that can't list its repositories is there by its own name.

        Raises Stopped and ScriptTimeout, when no work goes on any more.
        """
        places: dict[Reference, Place] = {}
        for part in parts:
            self._try(part.registry, partial(_add_places, places, part, stores))
        if not places and not self._failures:
            self._say("warn", "no repository fits", {})
        self._emit(StepsAhead(self._script, "repository", len(places)))
        with ThreadPoolExecutor(self._parallel, "repository") as pool:
            runs = [
                pool.submit(self._try, str(place.repository), partial(self._work_at, place, work))
                for place in places.values()
            ]
        for run in runs:
            run.result()
        return self._failures

    def _try(self, what: str, work: Callable[[], None]) -> None:
        if self._is_over:
            return
        try:
            work()
        except (Stopped, ScriptTimeout):
            self._is_over = True
            raise
        except RegbotError as error:
            text = str(error)
            self._failures[what] = text if what in text else f"{what}: {text}"
            self._say("error", text, {"repository": what})

    def _work_at(self, place: Place, work: Callable[[Place], None]) -> None:
        self._emit(RepositoryStarted(self._script, str(place.repository)))
        try:
            work(place)
        finally:
            self._emit(RepositoryEnded(self._script, str(place.repository)))

    def _say(self, level: Level, text: str, fields: dict[str, str]) -> None:
        self._emit(Message(level, text, {"script": self._script, **fields}))


def told_with(emit: Emit, fields: Mapping[str, str]) -> Emit:
    """A listener whose messages have these fields too."""

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            event = replace(event, fields={**event.fields, **fields})
        emit(event)

    return Hearing(tell, kinds_of(emit))


def _add_places(places: dict[Reference, Place], part: Repositories, stores: ReadStores) -> None:
    """Add the repositories, in the order of the registry's list.

    The registry is asked for that only where the config doesn't name them all. Raises what
    ``ReadStores.repositories`` raises; a list that breaks off is never taken for the whole.
    """
    names = part.names
    is_named = names is not None
    if names is None:
        names = tuple(filter(part.takes, stores.repositories(part.registry)))
    for name in names:
        repository = Reference("registry", part.registry, name)
        places.setdefault(repository, Place(repository, is_named))
