"""A server that ends at any moment leaves a journal that tells what was done."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from signal import SIGKILL, SIGTERM

import pytest
from support.command import regbot
from support.images import make_image
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, Fault, TestRegistry
from support.watched_server import PATIENCE, serving

from regbot.errors import Conflict
from regbot.journal.opening import open_journal

ROUNDS = 3
"""Ends of each test. A seed is a test of its own, so that they run at once."""
EVER = 10**9
REPOSITORIES = ("team/app", "team/web", "team/multi", "team/asked")


def fill(registry):
    """Tags of every kind to delete, in a registry that takes its time for a delete."""
    for number in range(12):
        shared = registry.put_image("team/app", f"old{number}", labels={"n": str(number)})
        registry.tag("team/app", f"old{number}b", shared)
        for name in ("team/web", "team/asked"):
            registry.put_image(name, f"old{number}", labels={"n": f"{name}{number}"})
    for name in ("team/app", "team/asked"):
        registry.put_image(name, "kept", labels={"n": "kept"})
    for number in range(6):
        children = {
            f"linux/{name}": make_image(labels={"n": f"{number}{name}"})
            for name in ("amd64", "arm64")
        }
        registry.put_index("team/multi", f"old{number}", children)
    registry.faults.plan(Fault("stall", "DELETE", times=EVER, seconds=0.02))


def config_for(registry):
    app, web, multi, asked = (f"{registry.host}/{name}" for name in REPOSITORIES)
    rules = {"keep": [{"tags": ["kept"]}], "delete": [{"tags": ["old*"]}]}
    each = "for _, name in ipairs(tag.ls(repo)) do {} end"
    scripts = {
        "rules": {"repositories": [app], "retention": rules},
        "lua": {
            "script": f'local repo = "{web}" ' + each.format('tag.delete(repo .. ":" .. name)')
        },
        "whole": {
            "script": f'local repo = "{multi}" ' + each.format('image.delete(repo .. ":" .. name)')
        },
        "reads": {"script": f'tag.ls("{app}")'},
        "asks": {"repositories": [asked], "retention": rules, "approve": True},
    }
    return {
        "creds": [{"registry": registry.host, "tls": "disabled"}],
        "defaults": {"interval": "1s", "parallel": 4, "state": "state"},
        "scripts": [{"name": name, **script} for name, script in scripts.items()],
    }


def began(lines):
    return {line["script"] for line in lines if line["msg"] == "script started"}


def require_whole(state):
    """The database is sound, and each saved manifest is what its name says."""
    with sqlite3.connect(state / "history.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()
    for path in state.glob("manifests/sha256/*"):
        if len(path.name) == 64:
            assert sha256(path.read_bytes()).hexdigest() == path.name


def require_told(state, lines):
    """Each run is in the history once, as what it was when the server ended."""
    finished = {line["run"] for line in lines if line["msg"] == "script finished"}
    started = {line["run"] for line in lines if line["msg"] == "script started"}
    with open_journal(state) as journal:
        runs = {run.id: run for run in journal.script_runs.all()}
        changing = {run.id: run for run in journal.runs()}
    assert started <= runs.keys()
    assert {runs[run].status for run in started - finished} <= {"interrupted", "stopped"}
    assert {runs[run].status for run in finished} <= {"done", "interrupted"}
    assert "running" not in {run.status for run in (*runs.values(), *changing.values())}
    dues = Counter((run.script, run.due) for run in runs.values() if run.due is not None)
    assert [due for due, count in dues.items() if count > 1] == []
    deleting = [run for run in changing.values() if run.kind != "undo"]
    assert {run.id for run in deleting} <= runs.keys()
    for run in deleting:
        assert run.status in (runs[run.id].status, "interrupted", "done")


def approve_one(state):
    """Approve a plan, which waits until the next run of its script makes another one."""
    deadline = time.monotonic() + PATIENCE
    with open_journal(state) as journal:
        while time.monotonic() < deadline:
            for plan in journal.plans():
                if plan.state == "waiting":
                    with suppress(Conflict):
                        return journal.approve_plan(plan.id)
            time.sleep(0.02)
    raise AssertionError("no plan waits")


def require_plans_told(state):
    """No plan seems to be applied still; what was cut off has failed, and can be applied again."""
    with open_journal(state) as journal:
        states = {plan.state for plan in journal.plans()}
    assert states <= {"waiting", "approved", "applied", "failed", "lapsed"}


def put_back(folder, already):
    """Undo every run that deleted something, but those that are undone; their ids."""
    with open_journal(folder / "state") as journal:
        runs = {run.id for run in journal.runs() if run.kind != "undo"} - already
    for run in runs:
        done = regbot("undo", run, "-c", "regbot.json", home=folder, cwd=folder)
        assert done.returncode == 0, done.stderr
    return runs


class World:
    """A registry, and a folder in which one server after the other works on it."""

    def __init__(self, folder, registry):
        fill(registry)
        self.folder, self.registry = folder, registry
        self.config = config_for(registry)
        self.tags = {name: registry.tags(name) for name in REPOSITORIES}
        self.manifests = {name: registry.manifests(name) for name in REPOSITORIES}
        self.undone = set()

    @property
    def state(self):
        return self.folder / "state"

    def serve_until(self, number, moment, *, early=False, approves=False):
        """Run a server until each script ran, and somewhat longer; its end and its log.

        ``moment`` is between 0 and 1. An ``early`` end doesn't wait for the scripts. With
        ``approves``, a plan is approved, which the server applies within 2 s.
        """
        with serving(self.folder, self.config) as server:
            if not early:
                server.wait_for(lambda lines: len(began(lines)) == len(self.config["scripts"]))
            if approves:
                approve_one(self.state)
            time.sleep(moment * (3 if approves else 1.2))
            return server.end(number), server.lines

    def require_as_before(self):
        """Whatever the servers deleted can be put back."""
        self.undone |= put_back(self.folder, self.undone)
        for name in REPOSITORIES:
            assert self.registry.tags(name) == self.tags[name]
            assert self.manifests[name].items() <= self.registry.manifests(name).items()


BY_EITHER_WAY = pytest.mark.parametrize(
    "quirks", [DISTRIBUTION_3, DISTRIBUTION_2], ids=["tags", "placeholders"]
)


@BY_EITHER_WAY
@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_killed_server_did_is_told_and_can_be_undone(tmp_path, quirks, seed):
    moments = random.Random(seed)
    with TestRegistry(quirks) as registry:
        world = World(tmp_path, registry)
        for number in range(ROUNDS):
            moment, early, approves = moments.random(), number == 0, number % 2 == 1
            _, lines = world.serve_until(SIGKILL, moment, early=early, approves=approves)
            if (world.state / "history.sqlite").exists():
                require_whole(world.state)
                require_told(world.state, lines)
                require_plans_told(world.state)
                world.require_as_before()
        assert world.undone, "no kill came while something was deleted"


@BY_EITHER_WAY
def test_a_server_that_is_told_to_end_leaves_nothing_open(tmp_path, quirks):
    moments = random.Random(3)
    with TestRegistry(quirks) as registry:
        world = World(tmp_path, registry)
        for number in range(ROUNDS):
            code, lines = world.serve_until(SIGTERM, moments.random(), approves=number % 2 == 1)
            assert code == 0
            require_whole(world.state)
            require_told(world.state, lines)
            require_plans_told(world.state)
            with open_journal(world.state) as journal:
                ends = {run.status for run in (*journal.runs(), *journal.script_runs.all())}
            assert ends <= {"done", "stopped"}
            world.require_as_before()
        assert world.undone, "no end came while something was deleted"
