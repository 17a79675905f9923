"""What many machines promise, with real workers that are killed, suspended and cut off."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.applying import bot_in
from support.clusterbot import ClusterBot
from support.clusterworker import opened, until
from support.handing import handing_out_as
from support.postgres import postgres as own_postgres
from support.quickworker import quick_worker
from support.watchedregistry import WatchedRegistry

NAMES = tuple(f"team/app{number}" for number in range(4))
TAGS = ("new", "same", *(f"old{number}" for number in range(5)))
SCRIPT = """
for _, name in ipairs(tag.ls(args.repo)) do
  local made = image.config(args.repo .. ":" .. name).Created
  if name:match("^old") then tag.delete(args.repo .. ":" .. name, {reason = made}) end
end
"""
GUARDS = {"at once": {}, "judged first": {"maxDeletes": 100}}
NEWER = 99
"""The number of a form of units that this regbot does not know."""
_LONGEST = 60.0


def fill(registry: WatchedRegistry) -> None:
    """Four repositories; in each a tag that stays shares its image with one that is deleted."""
    for name in NAMES:
        for tag in TAGS:
            label = "old0" if tag == "same" else tag
            registry.put_image(name, tag, labels={"n": f"{name} {label}"})


def content(registry: WatchedRegistry) -> dict[str, tuple[Mapping[str, str], set[str]]]:
    """The tags and the manifests of each repository."""
    return {name: (registry.tags(name), set(registry.manifests(name))) for name in NAMES}


def configure(bot: Any, guard: Mapping[str, int], more: str = "") -> None:
    repositories = [f"{bot.registry.host}/{name}" for name in NAMES]
    clean = {"script": SCRIPT + more, "repositories": repositories, "guard": guard}
    bot.configure_all({"clean": clean})


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The content of the registry after one machine did the run."""
    with bot_in(tmp_path_factory.mktemp("alone")) as bot:
        fill(bot.registry)
        configure(bot, {})
        assert bot.run("once").returncode == 0
        return content(bot.registry)


@contextmanager
def scene_at(folder: Path, url: str) -> Iterator[ClusterBot]:
    with WatchedRegistry() as registry, closing(opened(url)) as database:
        fill(registry)
        registry.database = database
        yield ClusterBot(folder, registry, url)


@pytest.fixture
def bot(tmp_path: Path, database_url: str) -> Iterator[ClusterBot]:
    with scene_at(tmp_path, database_url) as bot:
        yield bot


@contextmanager
def handing_out(bot: ClusterBot) -> Iterator[subprocess.Popen[bytes]]:
    """``once --cluster``, which may still be waiting at the end of the block."""
    process = bot.start_logged("once", "--cluster")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ends_well(bot: ClusterBot, process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LONGEST)
    logs = [bot.folder / "stderr", *sorted(bot.folder.glob("worker*"))]
    assert process.returncode == 0, "\n".join(log.read_text() for log in logs)


def holds(bot: ClusterBot, before: Any, alone: Any, runs: int = 1) -> None:
    """Everything that is promised, when all runs have ended: at most so many, which changed it."""
    registry = bot.registry
    assert isinstance(registry, WatchedRegistry)
    assert registry.database
    assert content(registry) == alone
    rows = registry.database.rows("SELECT state, ended IS NULL FROM unit")
    assert set(rows) == {("done", False)}
    history = bot.runs()
    assert {run.status for run in history} == {"done"}
    assert len(history) <= runs
    paths = [deleted.path for deleted in registry.deleted]
    assert len(paths) == len(set(paths))
    for deleted in registry.deleted:
        assert not deleted.had_it or deleted.process in deleted.had_it, deleted
    noted = {str(a.reference) for actions in bot.journalled().values() for a in actions}
    assert noted == {
        f"{registry.host}/{name}:{tag}" for name in NAMES for tag in TAGS if tag.startswith("old")
    }
    for run in history:
        undone = bot.run("undo", run.id)
        assert undone.returncode == 0, undone.stderr
    assert content(registry) == before


Arm = Callable[[WatchedRegistry, Callable[[], object]], None]
MOMENTS: Mapping[str, Arm] = {
    "in a scan": lambda registry, act: registry.before("GET", "/manifests/", act, after=9),
    "before a delete": lambda registry, act: registry.before("DELETE", "/man", act, after=6),
    "before the answer to a delete": lambda registry, act: registry.carried_out(
        "DELETE", "/manifests/", act, after=6
    ),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "suspended"])
def test_a_worker_that_is_broken_off_does_no_harm(bot, alone, moment, guard, sent):
    """The other worker ends the run; one that wakes up again deletes nothing more."""
    configure(bot, guard)
    before = content(bot.registry)
    is_sent, is_ready = threading.Event(), threading.Event()

    def send() -> None:
        assert is_ready.wait(_LONGEST)
        first.send_signal(sent)
        is_sent.set()

    moment(bot.registry, send)
    with quick_worker(bot.folder) as first, handing_out(bot) as run:
        is_ready.set()
        assert is_sent.wait(_LONGEST)
        with quick_worker(bot.folder):
            ends_well(bot, run)
            if sent is signal.SIGSTOP:
                first.send_signal(signal.SIGCONT)
                first.terminate()
                assert first.wait(_LONGEST) == 0
    holds(bot, before, alone)


@pytest.mark.parametrize("ahead", [60.0, -60.0])
def test_a_clock_that_is_off_by_a_minute_does_no_harm(bot, alone, ahead):
    configure(bot, {})
    before = content(bot.registry)
    with quick_worker(bot.folder, ahead), quick_worker(bot.folder), handing_out(bot) as run:
        ends_well(bot, run)
    holds(bot, before, alone)


def test_an_old_worker_leaves_a_newer_run_alone(bot, alone):
    configure(bot, {}, "error('an old config')")
    before = content(bot.registry)
    with quick_worker(bot.folder):
        configure(bot, {})
        with handing_out(bot) as run:
            until(lambda: "waiting" in bot.run("units").stdout)
            with quick_worker(bot.folder) as new:
                ends_well(bot, run)
                assert {deleted.process for deleted in bot.registry.deleted} == {str(new.pid)}
    holds(bot, before, alone)


def test_a_worker_leaves_units_alone_that_a_newer_regbot_wrote(bot, alone):
    configure(bot, {})
    before = content(bot.registry)
    with quick_worker(bot.folder), handing_out_as(bot.folder, "r1", NEWER) as run:
        until(lambda: "another version of regbot" in (bot.folder / "worker0").read_text())
        with quick_worker(bot.folder, schema=NEWER) as new:
            ends_well(bot, run)
            assert {deleted.process for deleted in bot.registry.deleted} == {str(new.pid)}
    holds(bot, before, alone)


def test_a_regbot_that_does_not_know_the_tables_leaves_them_alone(bot, alone):
    configure(bot, {})
    before = content(bot.registry)
    with handing_out(bot) as run:
        until(lambda: "waiting" in bot.run("units").stdout)
        bot.registry.database.run("UPDATE version SET step = step + 1 WHERE part = 'cluster'")
        old = bot.run("worker")
        assert old.returncode == 1
        assert re.fullmatch(r"the database .* was made by a newer version .*\n", old.stderr)
        bot.registry.database.run("UPDATE version SET step = step - 1 WHERE part = 'cluster'")
        with quick_worker(bot.folder):
            ends_well(bot, run)
    holds(bot, before, alone)


def test_a_run_that_is_handed_out_twice_is_done_once(bot, alone):
    """At once, and when it has ended."""
    configure(bot, {})
    before = content(bot.registry)
    with quick_worker(bot.folder), quick_worker(bot.folder):
        with handing_out_as(bot.folder, "r1") as run, handing_out_as(bot.folder, "r1") as same:
            ends_well(bot, run)
            ends_well(bot, same)
        with handing_out_as(bot.folder, "r1") as late:
            ends_well(bot, late)
    holds(bot, before, alone)


def test_two_that_ask_for_the_same_get_it_once(bot, alone):
    configure(bot, {})
    before = content(bot.registry)
    with handing_out(bot) as run, handing_out(bot) as same:
        until(lambda: bot.run("units").stdout.count("split") == 2)
        with quick_worker(bot.folder), quick_worker(bot.folder):
            ends_well(bot, run)
            ends_well(bot, same)
    holds(bot, before, alone, runs=2)


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_database_that_restarts_does_no_harm(tmp_path, alone, how):
    """While nothing is to be done, and in the middle of deletes."""
    with own_postgres() as server, server.database() as url, scene_at(tmp_path, url) as bot:
        configure(bot, {})
        before = content(bot.registry)
        with quick_worker(bot.folder) as first, quick_worker(bot.folder) as second:
            server.restart(how)
            bot.registry.before("DELETE", "/manifests/", lambda: server.restart(how), after=3)
            with handing_out(bot) as run:
                ends_well(bot, run)
            for worker in first, second:
                worker.terminate()
            for worker in first, second:
                assert worker.wait(_LONGEST) == 0
        holds(bot, before, alone)
