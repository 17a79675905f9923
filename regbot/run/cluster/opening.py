"""Opens what hands runs out and what does their units, where the state is in a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from regbot.config.values import Config
from regbot.errors import UsageError, text_of
from regbot.events import LeftBehind, Message, without
from regbot.journal.place import DatabaseUrl, State
from regbot.plan.outcome import ActionDone
from regbot.run.cluster.worker import TIMES, Times

if TYPE_CHECKING:
    from regbot.journal.shared import SharedState
    from regbot.run.bot import Bot
    from regbot.run.cluster.cluster import Cluster
    from regbot.run.cluster.queue import Queue
    from regbot.run.cluster.servers import Servers
    from regbot.run.cluster.units import Units
    from regbot.run.cluster.worker import Worker

_NO_DATABASE = (
    "{what} needs a state that machines share, and here it is a folder"
    " (set defaults.state to a URL such as postgresql://user:password@host/database)"
)


def require_database(state: State | None, what: str) -> DatabaseUrl:
    """The database that machines share. Raises UsageError where the state is in a folder."""
    if isinstance(state, DatabaseUrl):
        return state
    raise UsageError(_NO_DATABASE.format(what=what))


@contextmanager
def open_units(state: State | None, what: str) -> Iterator[Units]:
    """The units of all runs; ``what`` needs them. Raises UsageError, and StorageError."""
    with _open_queue(state, what) as (units, _):
        yield units


@contextmanager
def _open_queue(state: State | None, what: str) -> Iterator[tuple[Units, Queue]]:
    url = require_database(state, what)
    from regbot.journal.shared import PATIENCE, open_database, require_packages

    require_packages()
    from regbot.run.cluster.queue import Queue
    from regbot.run.cluster.units import Units

    with ExitStack() as ending:
        database = ending.enter_context(closing(open_database(url, PATIENCE)))
        queue = Queue(url, database)
        queue.prepare()
        yield Units(database, queue), queue


@contextmanager
def open_cluster(config: Config, config_path: str, what: str) -> Iterator[Cluster]:
    """The runs of a config that are handed out. Raises as ``open_units`` does."""
    from regbot.run.cluster.cluster import Cluster

    with open_units(config.state, what) as units:
        yield Cluster(units, config, config_path)


def open_servers(shared: SharedState, config: str) -> Servers:
    """What the servers of a config, by its path, agree on. Raises StorageError."""
    from regbot.run.cluster.due import STEPS
    from regbot.run.cluster.queue import Queue
    from regbot.run.cluster.servers import Servers
    from regbot.run.cluster.units import Units

    database = shared.database
    database.prepare("due", STEPS)
    queue = Queue(shared.url, database)
    queue.prepare()
    return Servers(shared.journal, Units(database, queue), config)


@contextmanager
def working(bot: Bot, at_once: int) -> Iterator[None]:
    """Have units of a bot's config done here, so many at once, until the end of the block.

    What they change is told by who follows their runs. No unit begins after the end, and it is
    waited for those under way. Raises as ``open_units`` does.
    """

    def take_units(worker: Worker) -> None:
        try:
            worker.work(bot.stop, at_once)
        except Exception as error:  # noqa: BLE001 - whatever it is, other servers go on
            bot.emit(Message("error", f"ends, as it can't take units any more: {text_of(error)}"))
            bot.stop.ask()

    quiet = bot.telling(without(bot.emit, ActionDone, LeftBehind))
    with open_worker(quiet, "a server") as worker:
        thread = threading.Thread(target=take_units, args=[worker], name="worker")
        thread.start()
        try:
            yield
        finally:
            worker.retire()
            thread.join()


@contextmanager
def open_worker(bot: Bot, what: str, *, times: Times = TIMES) -> Iterator[Worker]:
    """What does units of a bot's config.

    Raises as ``open_units`` does.
    """
    from regbot.run.cluster.cluster import Cluster
    from regbot.run.cluster.worker import Work, Worker

    shared = bot.services.shared
    if shared is None:
        raise UsageError(_NO_DATABASE.format(what=what))
    with _open_queue(bot.config.state, what) as (units, queue):
        journal, bot_in_turn = shared.journal, bot.taking(shared.turns)
        cluster = Cluster(units, bot.config, bot.config_path)
        work = Work(
            bot.config.fingerprint,
            lambda taken, attempt: cluster.do(bot_in_turn, journal, taken, attempt),
            lambda taken, error: cluster.give_up(journal, taken, error),
        )
        yield Worker(units, queue, shared.leases, work, bot.emit, times)
