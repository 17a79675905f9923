"""The claims of workers on repositories, in a table that all machines share; see ``turns``.

Each statement is a transaction of its own. The table is in PostgreSQL alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping

from regbot.errors import InvalidValue
from regbot.journal.claims import Claims
from regbot.journal.database import Database

TURNS = (
    """CREATE TABLE turn (
        repository TEXT PRIMARY KEY, version TEXT NOT NULL, claims TEXT NOT NULL)""",
)
"""The table. It has a row for each repository that somebody changes; another version is
another text, so that who changes a row sees whether somebody else has done so."""


class TurnTable:
    """The table. Every failure is a StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, names: Collection[str], claims: Claims) -> tuple[str, frozenset[str]]:
        """Write claims down for those repositories that have none, by one statement.

        Gives the version of these rows, and for which repositories they are.
        """
        version = _new_version()
        rows = self._database.rows(
            "INSERT INTO turn (repository, version, claims) SELECT name, ?, ?"
            " FROM unnest(?::text[]) AS name ORDER BY name ON CONFLICT (repository) DO NOTHING"
            " RETURNING repository",
            (version, claims.to_text(), list(names)),
        )
        return version, frozenset(name for (name,) in rows)

    def give_back(self, versions: Mapping[str, str]) -> frozenset[str]:
        """Remove the rows that still have these versions, by one statement; which ones it were."""
        rows = self._database.rows(
            "DELETE FROM turn USING unnest(?::text[], ?::text[]) AS had(repository, version)"
            " WHERE turn.repository = had.repository AND turn.version = had.version"
            " RETURNING turn.repository",
            (list(versions), list(versions.values())),
        )
        return frozenset(name for (name,) in rows)

    def change(self, name: str, change: Callable[[Claims], Claims]) -> tuple[str, Claims]:
        """Change the claims on a repository, without those of the dead; what they are then."""
        while True:
            rows = self._database.rows(
                "SELECT version, claims FROM turn WHERE repository = ?", (name,)
            )
            version, before = (rows[0][0], self._parsed(rows[0][1])) if rows else ("", Claims())
            after = change(before.without(self._dead(before.workers)))
            if after == before:
                return version, after
            if new := self._replaced(name, version, after):
                return new, after

    def wanted(self, versions: Mapping[str, str]) -> Iterable[str]:
        """For which repositories, whose rows had these versions, somebody waits by now."""
        rows = self._database.rows(
            "SELECT turn.repository, claims FROM turn"
            " JOIN unnest(?::text[], ?::text[]) AS had(repository, version)"
            " ON turn.repository = had.repository AND turn.version <> had.version",
            (list(versions), list(versions.values())),
        )
        return [name for name, text in rows if self._parsed(text).waiting]

    def _replaced(self, name: str, old: str, claims: Claims) -> str:
        """Write claims down where nobody has written others meanwhile; the new version.

        It is empty where they have.
        """
        if not old:
            version, names = self.claim([name], claims)
            return version if names else ""
        version, run = _new_version(), self._database.run
        if not claims.workers:
            text = "DELETE FROM turn WHERE repository = ? AND version = ?"
            return version if run(text, (name, old)) else ""
        text = "UPDATE turn SET version = ?, claims = ? WHERE repository = ? AND version = ?"
        return version if run(text, (version, claims.to_text(), name, old)) else ""

    def _dead(self, workers: Collection[str]) -> frozenset[str]:
        """Those of the workers whose lease is over."""
        if not workers:
            return frozenset()
        rows = self._database.rows(
            f"SELECT id FROM worker WHERE until > {self._database.now} AND id = ANY(?)",  # noqa: S608
            (list(workers),),
        )
        return frozenset(workers) - {worker for (worker,) in rows}

    def _parsed(self, text: str) -> Claims:
        try:
            return Claims.from_text(text)
        except InvalidValue as error:
            raise self._database.damaged(error) from None


def _new_version() -> str:
    return secrets.token_hex(8)
