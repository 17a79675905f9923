"""Runs are handed out whole or not at all, and once, whatever is cut off meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
from support.clusterworker import course, unit, units_at, until, worker
from support.postgres import postgres as own_postgres

from regbot.errors import StorageError

UNITS = 5
"""The units of each run."""
FOLLOWING = 1
"""The units that follow each of them."""


def of_run(run):
    return [unit(f"{run}.{number}", follow=FOLLOWING) for number in range(UNITS)]


def hand_out_all(units, enough):
    """Hand out runs one after the other, each until the database has taken it."""
    for number in count():
        if enough.is_set():
            return
        until(lambda run=f"r{number}": is_handed_out(units, run))


def is_handed_out(units, run):
    try:
        units.hand_out(course(run), of_run(run))
    except StorageError:
        return False
    return True


def are_over(units, runs):
    try:
        return all(units.course(run).status for run in runs)
    except StorageError:
        return False


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_runs_are_handed_out_once_by_two_while_the_database_restarts(how):
    with (
        own_postgres() as server,
        server.database() as url,
        units_at(url) as (units, database),
        units_at(url) as (others, _),
        worker(url, "w", 4),
    ):
        enough = threading.Event()
        threads = [
            threading.Thread(target=hand_out_all, args=[each, enough]) for each in (units, others)
        ]
        for thread in threads:
            thread.start()
        for least in (5, 20):
            until(lambda least=least: known(database) > least)
            server.restart(how)
            before = known(database)
            until(lambda before=before: known(database) > before + 5)
        enough.set()
        for thread in threads:
            thread.join()
        runs = [run for (run,) in database.rows("SELECT run FROM course")]
        until(lambda: are_over(units, runs))
        for run in runs:
            records = units.progress.records(run)
            assert len(records) == UNITS * (1 + FOLLOWING)
            assert {record.state for record in records} == {"done"}


def known(database):
    """How many runs were handed out, as far as the database can say."""
    try:
        return len(database.rows("SELECT run FROM course"))
    except StorageError:
        return 0


def test_who_is_killed_while_handing_out_leaves_whole_runs_alone(database_url):
    with units_at(database_url) as (units, database):
        for kill_after in (1, 4, 9):
            process = subprocess.Popen(
                [sys.executable, __file__, database_url, f"k{kill_after}"],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": ""},
            )
            try:
                until(lambda least=kill_after: known(database) > least)
            finally:
                process.kill()
                process.wait()
        rows = database.rows("SELECT run, COUNT(*) FROM unit GROUP BY run")
        runs = {run for (run,) in database.rows("SELECT run FROM course")}
        assert dict(rows) == dict.fromkeys(runs, UNITS)
        jobs = database.rows("SELECT COUNT(*) FROM procrastinate_jobs")
        assert jobs == [(UNITS * len(runs),)]
        with worker(database_url, "w", 4):
            until(lambda: are_over(units, runs))


if __name__ == "__main__":
    url, prefix = sys.argv[1:]
    with units_at(url) as (own_units, _):
        for number in count():
            own_units.hand_out(course(f"{prefix}-{number}"), of_run(f"{prefix}-{number}"))
