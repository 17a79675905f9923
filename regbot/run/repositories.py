"""The repositories that an entry of the config is about, and a run at each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import field, replace

from regbot.config.values import Repositories, Script
from regbot.errors import RegbotError, ScriptTimeout, Stopped
from regbot.events import (
    Emit,
    Event,
    Hearing,
    Message,
    RepositoryEnded,
    RepositoryStarted,
    StepsAhead,
    kinds_of,
)
from regbot.oci.reference import Reference
from regbot.store.protocol import ReadStores
from regbot.sync.rules import Sync
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A repository. ``is_named``: the config names it, so it has to exist."""

    repository: Reference
    is_named: bool


@dataclass(frozen=True, slots=True)
class Places:
    """The repositories of an entry, and by their names why registries could not be asked."""

    all: tuple[Place, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


def find_places(script: Script, stores: ReadStores, emit: Emit) -> Places:
    """The repositories that a script is about, each once; of a sync, those of its source.

    A registry that can't list its repositories is a failure by its own name. Raises Stopped
    and ScriptTimeout.
    """
    if isinstance(script.work, Sync) and script.work.source:
        return Places((Place(script.work.source.without_name, is_named=True),))
    places: dict[Reference, Place] = {}
    failures: dict[str, str] = {}
    for part in script.repositories:
        with _kept_in(failures, part.registry, script.name, emit):
            _add_places(places, part, stores)
    if isinstance(script.work, Sync):
        copies = [each for each in places if script.work.is_copy(each)]
        for repository in copies:
            del places[repository]
    if not places and not failures:
        emit(Message("warn", "no repository fits", {"script": script.name}))
    emit(StepsAhead(script.name, "repository", len(places)))
    return Places(tuple(places.values()), failures)


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

    def run(self, places: Iterable[Place], work: Callable[[Place], None]) -> dict[str, str]:
        """Do the work at each repository. Gives why, by the name of each where it failed.

        Raises Stopped and ScriptTimeout, when no work goes on any more.
        """
        with ThreadPoolExecutor(self._parallel, "repository") as pool:
            runs = [pool.submit(self._work_at, place, work) for place in places]
        for run in runs:
            run.result()
        return self._failures

    def _work_at(self, place: Place, work: Callable[[Place], None]) -> None:
        if self._is_over:
            return
        try:
            with _kept_in(self._failures, str(place.repository), self._script, self._emit):
                work_at(self._script, place, work, self._emit)
        except (Stopped, ScriptTimeout):
            self._is_over = True
            raise


def work_at(script: str, place: Place, work: Callable[[Place], None], emit: Emit) -> None:
    """Do a script's work at a repository, and tell when that begins and ends."""
    emit(RepositoryStarted(script, str(place.repository)))
    try:
        work(place)
    finally:
        emit(RepositoryEnded(script, str(place.repository)))


@contextmanager
def _kept_in(failures: dict[str, str], what: str, script: str, emit: Emit) -> Iterator[None]:
    """Keep why something failed, and tell it. Raises what ends the run."""
    try:
        yield
    except (Stopped, ScriptTimeout):
        raise
    except RegbotError as error:
        failures[what] = with_name(what, str(error))
        emit(Message("error", str(error), {"script": script, "repository": what}))


def with_name(what: str, text: str) -> str:
    """An error at a repository or registry, with its name unless that is in it."""
    return text if what in text else f"{what}: {text}"


def told_with(emit: Emit, fields: Mapping[str, str]) -> Emit:
    """A listener whose messages have these fields, unless they have them by themselves."""

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            event = replace(event, fields={**fields, **event.fields})
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
