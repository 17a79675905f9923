"""Turns of a worker at repositories, as a process that others share them with."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.process import BaseProcess

from regbot.journal.database import Database
from regbot.journal.leases import LEASES, Leases
from regbot.journal.turn_table import TURNS
from regbot.journal.turns import SharedTurns
from regbot.oci.reference import Reference
from regbot.plan.turns import Change
from regbot.stopping import Stop
from support.databases import connecting

APP = Reference.parse("registry.example.org/app").without_name
OTHER = Reference.parse("registry.example.org/other").without_name
LEASE = 3.0
"""Seconds."""
STEPS = (
    LEASES,
    TURNS,
    (
        """CREATE TABLE inside (id INTEGER PRIMARY KEY AUTOINCREMENT, worker TEXT NOT NULL,
            repository TEXT NOT NULL, change TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0)""",
        "CREATE TABLE met (id INTEGER PRIMARY KEY AUTOINCREMENT, changes TEXT NOT NULL)",
    ),
)
CHANGES: tuple[Change, ...] = ("puts", "deletes", "alone")


class Worker:
    """What a process has of the turns of all."""

    def __init__(self, database: Database, leases: Leases) -> None:
        self.database = database
        self.leases = leases
        self.turns = SharedTurns(database, leases.lease)

    @contextmanager
    def inside(self, repository: Reference, change: Change) -> Iterator[None]:
        """Note in the database that somebody is at work, and who was there with it."""
        entry = self.database.insert(
            "INSERT INTO inside (worker, repository, change) VALUES (?, ?, ?)",
            (self.leases.lease().worker, str(repository), change),
        )
        others = self.database.rows(
            "SELECT change FROM inside WHERE repository = ? AND ended = 0 AND id <> ?",
            (str(repository), entry),
        )
        for (other,) in others:
            self.database.insert("INSERT INTO met (changes) VALUES (?)", (f"{change} {other}",))
        yield
        self.database.run("UPDATE inside SET ended = 1 WHERE id = ?", (entry,))


@contextmanager
def worker(url: str, lease: float = LEASE) -> Iterator[Worker]:
    """A worker, whose claims are given back at the end."""
    connect = connecting(url, STEPS)
    with (
        closing(connect()) as database,
        closing(Leases(database, connect, seconds=lease, every=lease / 6)) as leases,
    ):
        own = Worker(database, leases)
        with closing(own.turns):
            yield own


def take_turns(url: str, seed: int, times: int) -> None:
    """Change one of two repositories, or both, again and again."""
    chance = random.Random(seed)
    with worker(url) as own:
        for _ in range(times):
            if chance.random() < 0.3:
                with own.turns.alone([OTHER, APP], Stop()):
                    for repository in (APP, OTHER):
                        with own.inside(repository, "alone"):
                            pass
                continue
            repository, change = chance.choice((APP, OTHER)), chance.choice(CHANGES)
            with own.turns.at(repository, change, Stop()), own.inside(repository, change):
                time.sleep(chance.random() / 500)


def hold(url: str, change: Change, has_it: object, seconds: float) -> None:
    """Have a turn for some time, and say when it began."""
    with worker(url) as own, own.turns.at(APP, change, Stop()):
        has_it.set()  # type: ignore[attr-defined]
        time.sleep(seconds)


def started(target: object, *arguments: object) -> BaseProcess:
    """A process of its own that runs a function of this file."""
    process = multiprocessing.get_context("spawn").Process(
        target=target,  # type: ignore[arg-type]
        args=arguments,
        daemon=True,
    )
    process.start()
    return process
