"""What the processes that share a database know of each host, in two tables.

Each statement is a transaction of its own, so that a process which stops in the middle
holds nobody up. Times are seconds since 1970 by the database's clock, and leave this file
as seconds from now: no two machines have to agree on the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from regbot.errors import StorageError
from regbot.journal.database import Database
from regbot.run.limits.shares import Claim
from regbot.values import dataclass

LEASE = 30.0
"""Seconds that a claim holds without being renewed, as when its process has died."""

STEPS = (
    (
        """CREATE TABLE limited_host (
            host TEXT PRIMARY KEY,
            version BIGINT NOT NULL DEFAULT 0,
            next DOUBLE PRECISION NOT NULL DEFAULT 0,
            held_until DOUBLE PRECISION NOT NULL DEFAULT 0,
            steps INTEGER NOT NULL DEFAULT 0
        )""",
        """CREATE TABLE limit_claim (
            host TEXT NOT NULL,
            process TEXT NOT NULL,
            name TEXT NOT NULL,
            wanted INTEGER NOT NULL,
            granted INTEGER NOT NULL,
            since DOUBLE PRECISION NOT NULL,
            until DOUBLE PRECISION NOT NULL,
            rate DOUBLE PRECISION NOT NULL,
            at_once INTEGER NOT NULL,
            PRIMARY KEY (host, process, name)
        )""",
        "CREATE INDEX limit_claim_process ON limit_claim (process)",
        """CREATE FUNCTION seconds() RETURNS DOUBLE PRECISION LANGUAGE SQL VOLATILE
            AS 'SELECT extract(epoch FROM clock_timestamp())::DOUBLE PRECISION'""",
    ),
)
"""The versions of the tables; ``next`` is the time from which on nobody has leased.

``seconds`` is the time at the moment, whereas ``now`` is that of the transaction's begin.
"""

_READ = """
    SELECT limited_host.host, version, held_until - seconds(), steps,
        process, name, wanted, granted, seconds() - since, rate, at_once
    FROM limited_host LEFT JOIN limit_claim
        ON limit_claim.host = limited_host.host AND until > seconds()
    WHERE limited_host.host = ANY(?)"""

_WRITE = """
    WITH current AS (
        UPDATE limited_host SET version = version + 1 WHERE host = ? AND version = ?
        RETURNING host
    )
    INSERT INTO limit_claim AS old
        (host, process, name, wanted, granted, since, until, rate, at_once)
    SELECT host, ?, ?, ?, ?, seconds(), seconds() + ?, ?, ? FROM current
    ON CONFLICT (host, process, name) DO UPDATE SET
        wanted = EXCLUDED.wanted, granted = EXCLUDED.granted, until = EXCLUDED.until,
        since = CASE WHEN (old.granted > 0) = (EXCLUDED.granted > 0)
            THEN old.since ELSE EXCLUDED.since END"""
"""Changes nothing where somebody else has changed a claim on the host since it was read."""

_RENEW = "UPDATE limit_claim SET until = seconds() + ? WHERE process = ? AND until > seconds()"

_LEASE_TIMES = """
    UPDATE limited_host SET next = GREATEST(next, held_until, seconds()) + ? WHERE host = ?
    RETURNING next - ? - seconds()"""

_HOLD = """
    UPDATE limited_host SET
        steps = CASE WHEN held_until > seconds() THEN GREATEST(steps, ?) ELSE ? END,
        held_until = GREATEST(held_until, seconds() + ?)
    WHERE host = ?"""


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host as the tables have it.

    It is left alone for ``held`` seconds more, and slowed down by ``steps``. ``claims``
    are those of live processes, by process and name. ``version`` counts their changes.
    """

    version: int
    held: float
    steps: int
    claims: dict[tuple[str, str], Claim]


class LimitTable:
    """The tables, for one process. Every failure is a StorageError."""

    def __init__(self, database: Database, process: str) -> None:
        self._database = database
        self.process = process

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def add(self, hosts: Sequence[str]) -> None:
        """Add the hosts that nobody has asked before, and forget who is long dead."""
        statement = "INSERT INTO limited_host (host) VALUES (?) ON CONFLICT DO NOTHING"
        for host in hosts:
            self._database.run(statement, (host,))
        self._database.run("DELETE FROM limit_claim WHERE until < seconds() - ?", (LEASE,))

    def read(self, hosts: Sequence[str]) -> dict[str, HostRow]:
        """What the tables have of each of the hosts, which were added."""
        rows: dict[str, HostRow] = {}
        for host, version, held, steps, process, name, *claim in self._database.rows(
            _READ, (list(hosts),)
        ):
            row = rows.setdefault(host, HostRow(version, held, steps, {}))
            if process is not None:
                row.claims[process, name] = Claim(*claim)
        if len(rows) < len(hosts):
            raise StorageError("the limits of hosts are gone from the database")
        return rows

    def write(self, host: str, version: int, name: str, claim: Claim) -> bool:
        """Write a claim of this process; False where the version is an old one by now."""
        key = (host, version, self.process, name)
        values = (claim.wanted, claim.granted, LEASE, claim.rate, claim.at_once)
        return self._database.run(_WRITE, (*key, *values)) > 0

    def renew(self) -> None:
        """Let the claims of this process hold for another LEASE, those that still do."""
        self._database.run(_RENEW, (LEASE, self.process))

    def give_back(self, names: Sequence[str]) -> None:
        """Remove claims of this process."""
        self._database.run(
            "DELETE FROM limit_claim WHERE process = ? AND name = ANY(?)",
            (self.process, list(names)),
        )

    def give_all_back(self) -> None:
        """Remove all claims of this process."""
        self._database.run("DELETE FROM limit_claim WHERE process = ?", (self.process,))

    def lease_times(self, host: str, seconds: float) -> float:
        """Lease the next so many seconds that nobody has; in how many seconds they begin."""
        for (begin_in,) in self._database.rows(_LEASE_TIMES, (seconds, host, seconds)):
            return float(begin_in)
        raise StorageError("the limits of hosts are gone from the database")

    def hold(self, host: str, seconds: float, steps: int) -> None:
        """Have everybody leave a host alone for a while."""
        self._database.run(_HOLD, (steps, steps, seconds, host))
