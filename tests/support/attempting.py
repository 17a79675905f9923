"""One attempt at a unit as a process of its own, which can be suspended and killed.

The table ``unit`` is beside the history of the journal. What renews the lease in a worker is a
thread that stops with the process; here the lease is never renewed.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from regbot.errors import RegbotError
from regbot.events import ignore
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.transport import Transport
from regbot.journal.database import Database
from regbot.journal.history import STEPS
from regbot.journal.journal import Journal
from regbot.journal.manifest_files import ManifestFiles
from regbot.journal.place import DatabaseUrl
from regbot.journal.postgres import PostgresDatabase
from regbot.journal.running import RunLocks
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.journal.sqlite import SqliteDatabase
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action, DeleteTag
from regbot.plan.executor import Terms
from regbot.plan.outcome import Outcomes
from regbot.plan.session import open_session
from regbot.stopping import Attempt, Stop, time_with_sleep

RUN = "20261129-000000-abc123"
UNIT = "clean@team/app"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a journal is: all in a folder, or its history in a database with this URL."""

    folder: str
    url: str = ""

    def opened(self) -> Database:
        """The database of the history."""
        if not self.url:
            Path(self.folder).mkdir(exist_ok=True)
            return SqliteDatabase(Path(self.folder) / "history.sqlite", STEPS, patience=30)
        database = PostgresDatabase(DatabaseUrl.parse(self.url), patience=30)
        database.prepare("journal", STEPS)
        return database

    def journal(self) -> Journal:
        """The journal with this history."""
        folder = Path(self.folder)
        return Journal(
            folder, self.opened(), ManifestFiles(folder / "manifests"), RunLocks(folder / "running")
        )

    def prepare(self, *units: str) -> None:
        """Make the table of units, none of which was taken."""
        self.change(
            "CREATE TABLE unit (id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, state TEXT NOT NULL)"
        )
        for unit in units or (UNIT,):
            self.change("INSERT INTO unit VALUES (?, 0, 'waiting')", unit)

    def take(self, number: int, unit: str = UNIT) -> None:
        """Give a unit to its next attempt, as who takes units does."""
        self.change("UPDATE unit SET attempt = ?, state = 'running' WHERE id = ?", number, unit)

    def change(self, statement: str, *values: object) -> None:
        """Run a statement in a transaction of its own."""
        with closing(self.opened()) as database, database.writing():
            database.run(statement, values)


@dataclass(frozen=True, slots=True)
class Work:
    """The tags that an attempt deletes, one after the other; ``lease`` is in seconds."""

    place: Place
    repository: str
    number: int
    tags: tuple[str, ...]
    lease: float = math.inf


@contextmanager
def attempting(work: Work) -> Iterator[subprocess.Popen[str]]:
    """A process that does the work of an attempt; ``outcome_of`` tells how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "support.attempting", json.dumps(asdict(work))],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def outcome_of(process: subprocess.Popen[str]) -> str:
    """``done``, or the name and the text of the error with which an attempt ended."""
    said, _ = process.communicate(timeout=60)
    return said.strip()


def do(work: Work, actions: list[Action] | None = None) -> None:
    """Carry out an attempt. Raises what ends it."""
    until = time_with_sleep() + work.lease
    attempt = Attempt(UNIT, work.number, lambda: until)
    repository = Reference.parse(work.repository)
    hosts = (HostSettings(repository.registry, tls="disabled"),)
    settings = ClientSettings(hosts, use_docker_config=False, user_agent=f"attempt/{work.number}")
    kept = JournalSettings(Path(work.place.folder), math.inf, "bot.yml", "f00d")
    transport = Transport(settings, environ={"HOME": "/nonexistent"})
    with work.place.journal() as journal, closing(transport):
        slot = JournalSlot(kept, "once", journal, run_id=RUN, attempt=attempt)
        with open_session(
            "clean",
            transport.bind,
            stop=Stop().for_attempt(attempt),
            emit=ignore,
            outcomes=Outcomes(),
            terms=Terms(journal=slot),
        ) as session:
            for tag in work.tags:
                action = DeleteTag(repository.with_tag(Tag(tag)), "old", may_be_gone=True)
                session.executor.begin(action)
            for other in actions or ():
                session.executor.execute(other)
            session.executor.settle()
        slot.finish("done")


if __name__ == "__main__":
    own = json.loads(sys.argv[1])
    try:
        do(Work(**{**own, "place": Place(**own["place"])}))
    except RegbotError as error:
        print(f"{type(error).__name__}: {error}")
    else:
        print("done")
