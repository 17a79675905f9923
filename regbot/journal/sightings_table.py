"""When each image was seen in use, in a table that many machines share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from regbot.errors import InvalidValue, StorageError
from regbot.journal.database import Database, storable
from regbot.rules.in_use.mention import Mention
from regbot.rules.in_use.sightings import KEPT_FOR, Sighting, unusable

SIGHTINGS = (
    """CREATE TABLE sighting (
        source TEXT NOT NULL, image TEXT NOT NULL, at REAL NOT NULL, used_by TEXT NOT NULL,
        PRIMARY KEY (source, image)) WITHOUT ROWID""",
)
"""The table. ``at`` is in seconds since 1970 by the database's clock."""


class SightingsTable:
    """The sightings in a database, by its clock: that of a machine may be off.

    ``connect`` opens it for a call, of which a run makes two.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Database]]) -> None:
        self._connect = connect

    def add(self, mentions: Mapping[str, Sequence[Mention]], window: float) -> None:
        """Note what each source, by its name, names now. Raises UseUnknown."""
        with _mapped(), self._connect() as database:
            ((now,),) = database.rows(f"SELECT {database.now}")
            _put(
                database,
                [
                    Sighting(source, image.text, now, image.user)
                    for source, images in mentions.items()
                    for image in images
                ],
            )
            database.run("DELETE FROM sighting WHERE at < ?", (now - max(window, KEPT_FOR),))

    def within(self, window: float) -> Iterator[Mention]:
        """All that was seen in the last ``window`` seconds, by users that say when.

        Raises UseUnknown for what can't be read: what was noted is in use.
        """
        with _mapped(), self._connect() as database:
            ((now,),) = database.rows(f"SELECT {database.now}")
            mentions = [seen.mention for seen in _all(database) if seen.at >= now - window]
        yield from mentions

    def all(self) -> list[Sighting]:
        """All that is noted. Raises UseUnknown."""
        with _mapped(), self._connect() as database:
            return _all(database)

    def take_over(self, sightings: Iterable[Sighting]) -> None:
        """Note what was seen at the time that each says. Raises UseUnknown."""
        with _mapped(), self._connect() as database:
            _put(database, sightings)


def _all(database: Database) -> list[Sighting]:
    rows = database.rows("SELECT source, image, at, used_by FROM sighting")
    try:
        return [Sighting.checked(*row) for row in rows]
    except InvalidValue as error:
        raise database.damaged(error) from None


def _put(database: Database, sightings: Iterable[Sighting]) -> None:
    """Write sightings by their order, so that writers of the same don't wait for each other."""
    rows = {
        (storable(seen.source), seen.image): (seen.at, storable(seen.user)) for seen in sightings
    }
    if rows:
        database.run_many(
            "INSERT INTO sighting (source, image, at, used_by) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (source, image) DO UPDATE SET at = excluded.at,"
            " used_by = excluded.used_by",
            [(*key, *values) for key, values in sorted(rows.items())],
        )


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise unusable(error) from None
