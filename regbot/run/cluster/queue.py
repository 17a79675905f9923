"""The queue: Procrastinate, in the database that has the units.

It calls workers to units as soon as these wait, each unit once at a time. What it forgets or
calls twice does no harm (see ``units``), so its own entries need not be durable: they are
written with those of the units, and lost with a server that loses its last moments.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import procrastinate
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.schema import SchemaManager

from regbot.errors import StorageError
from regbot.journal.place import DatabaseUrl
from regbot.journal.postgres import PostgresDatabase, conninfo_of

_TASK = "regbot unit"
_OPTIONS = (
    "-c search_path=regbot -c synchronous_commit=off"
    " -c idle_in_transaction_session_timeout=4000"  # milliseconds; see journal.postgres
)
"""A worker that is suspended in the middle of a call gives the call back by that."""
_CONNECTIONS = 4
_PATIENCE = 5.0
"""Seconds to wait for a connection."""
_LOOKED_EVERY = 0.1
"""Seconds after which a request to stop is noticed."""
_POLLED_EVERY = 2.0
"""Seconds after which jobs are looked for that nobody told of, such as those put off."""
_BEATS_EVERY = 10.0
_DEAD_AFTER = 60.0
"""Seconds without a beat after which the entries of a worker are removed."""
_TO_CANCEL = 0.05

Do = Callable[[str], None]
"""Does the unit with this id. Raises nothing."""
HasEnded = Callable[[], bool]
"""Whether no other unit is to begin."""


class Queue:
    """The calls to units, see ``units.Bell``. Threads may share it."""

    def __init__(self, url: DatabaseUrl, database: PostgresDatabase) -> None:
        self._url = url
        self._database = database
        self._app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())

    def prepare(self) -> None:
        """Make its tables where there are none. Several processes may do so at once."""
        if self._has_tables():
            return
        with self._database.writing():
            if not self._has_tables():
                with self._database.lent() as connection:
                    connection.execute(SchemaManager.get_schema())

    def ring(self, fingerprint: str, units: Sequence[str], after: float = 0.0) -> None:
        """Call those with this config to some units. To be called in ``writing``."""
        rows = self._database.rows(
            "SELECT queueing_lock FROM procrastinate_jobs"
            " WHERE status = 'todo' AND queueing_lock = ANY(?)",
            (list(units),),
        )
        called = {unit for (unit,) in rows}
        jobs = [
            Job(
                id=None,
                queue=_name_of(fingerprint),
                lock=None,
                queueing_lock=unit,
                task_name=_TASK,
                task_kwargs={"unit": unit},
                scheduled_at=self._later(after) if after else None,
            )
            for unit in units
            if unit not in called
        ]
        if not jobs:
            return
        with self._database.lent() as connection:
            try:
                self._app.job_manager.batch_defer_jobs(jobs, connection=connection)
            except ConnectorException as error:
                raise StorageError(
                    f"can't put units in the queue of {self._url}: {_why(error)}"
                ) from error

    def missing(self, waiting_for: float) -> Mapping[str, str]:
        """The units that waited so many seconds with no call to them, and their config."""
        rows = self._database.rows(
            "SELECT unit.id, course.fingerprint FROM unit JOIN course ON course.run = unit.run"  # noqa: S608
            f" WHERE unit.state = 'waiting' AND unit.ready < {self._database.now} - ?"
            " AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs"
            " WHERE status = 'todo' AND queueing_lock = unit.id)",
            (waiting_for,),
        )
        return dict(rows)

    def work(
        self, fingerprint: str, do: Do, threads: Executor, concurrency: int, has_ended: HasEnded
    ) -> None:
        """Do units of a config, so many at once, until that has ended or the database is gone.

        Units that are being done then go on in ``threads``. Raises StorageError.
        """
        _silence()
        try:
            asyncio.run(self._work(fingerprint, do, threads, concurrency, has_ended))
        except ConnectorException as error:
            raise StorageError(f"can't use the queue of {self._url}: {_why(error)}") from error

    async def _work(
        self, fingerprint: str, do: Do, threads: Executor, concurrency: int, has_ended: HasEnded
    ) -> None:
        queue = _name_of(fingerprint)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, _context: None)
        connector = procrastinate.PsycopgConnector(
            conninfo=conninfo_of(self._url, _OPTIONS),
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_PATIENCE,
        )
        app = procrastinate.App(connector=connector)

        @app.task(name=_TASK, queue=queue)
        async def _unit(unit: str) -> None:
            await loop.run_in_executor(threads, do, unit)

        async with _open(connector, has_ended) as is_open:
            if is_open:
                await self._take_units(app, queue, concurrency, has_ended)
            elif not has_ended():
                why = f"it can't be reached within {_PATIENCE:g}s"
                raise StorageError(f"can't use the queue of {self._url}: {why}")

    async def _take_units(
        self, app: procrastinate.App, queue: str, concurrency: int, has_ended: HasEnded
    ) -> None:
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[queue],
                concurrency=concurrency,
                delete_jobs="always",
                install_signal_handlers=False,
                fetch_job_polling_interval=_POLLED_EVERY,
                update_heartbeat_interval=_BEATS_EVERY,
                stalled_worker_timeout=_DEAD_AFTER,
                shutdown_graceful_timeout=_TO_CANCEL,
            )
        )
        tidying = asyncio.create_task(_tidy(app, queue))
        while not has_ended() and not working.done():
            await asyncio.wait([working], timeout=_LOOKED_EVERY)
        for task in (working, tidying):
            task.cancel()
        await asyncio.wait([working, tidying])
        if not working.cancelled() and (error := working.exception()):
            raise StorageError(f"can't use the queue of {self._url}: {_why(error)}") from error

    def _later(self, seconds: float) -> datetime:
        """A time by the database's clock."""
        ((now,),) = self._database.rows(f"SELECT {self._database.now}")
        return datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds)

    def _has_tables(self) -> bool:
        query = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?"
        return bool(self._database.rows(query, ("procrastinate_jobs",)))


@asynccontextmanager
async def _open(
    connector: procrastinate.PsycopgConnector, has_ended: HasEnded
) -> AsyncIterator[bool]:
    """Connections, until the end of the block; False where there are none in time."""
    opening = asyncio.create_task(connector.open_async())
    left = _PATIENCE
    while left > 0 and not has_ended() and not opening.done():
        await asyncio.wait([opening], timeout=_LOOKED_EVERY)
        left -= _LOOKED_EVERY
    opening.cancel()
    await asyncio.wait([opening])
    try:
        yield not opening.cancelled() and opening.exception() is None
    finally:
        await connector.close_async()


async def _tidy(app: procrastinate.App, queue: str) -> None:
    """Remove what workers that are gone left; their units are given out again by themselves."""
    while True:
        with suppress(ConnectorException):
            for job in await app.job_manager.get_stalled_jobs(
                queue=queue, seconds_since_heartbeat=_DEAD_AFTER
            ):
                await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        await asyncio.sleep(_DEAD_AFTER / 2)


def _name_of(fingerprint: str) -> str:
    """The queue for a config; PostgreSQL has room for 40 characters of a name."""
    return fingerprint[-32:]


def _why(error: BaseException) -> str:
    """What went wrong, in one line."""
    lines = str(error.__cause__ or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _silence() -> None:
    """Nothing of what these tell themselves is for people: regbot tells what matters."""
    for name in ("procrastinate", "psycopg.pool"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
