"""A queue whose database is away: who takes units from it is told, and can end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from support.clusterworker import CONFIG
from support.postgres import postgres as own_postgres

from regbot.errors import StorageError
from regbot.journal.place import DatabaseUrl
from regbot.journal.postgres import PostgresDatabase
from regbot.run.cluster import queue as queues
from regbot.run.cluster.queue import Queue


@pytest.fixture(scope="module")
def url():
    """The URL of a server that has stopped."""
    with own_postgres() as server:
        server.stop()
        yield server.url()
        server.start()


@pytest.fixture
def work(url):
    """Takes units until that has ended."""
    place = DatabaseUrl.parse(url)

    def work(has_ended):
        database = PostgresDatabase(place, patience=5)
        with closing(database), ThreadPoolExecutor(1) as threads:
            Queue(place, database).work(CONFIG, print, threads, 1, has_ended)

    return work


def test_a_worker_learns_that_the_database_is_away_and_may_try_again(work, monkeypatch):
    monkeypatch.setattr(queues, "_PATIENCE", 0.3)
    with pytest.raises(StorageError, match=r"can't use the queue of .*: it can't be reached"):
        work(lambda: False)


def test_a_worker_that_is_asked_to_end_does_not_wait_for_the_database(work):
    looks = iter([False, False])
    work(lambda: next(looks, True))
    assert next(looks, None) is None
