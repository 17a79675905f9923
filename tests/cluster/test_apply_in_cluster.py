"""A plan that worker processes carry out, with a real PostgreSQL."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.applying import bot_in
from support.clusterbot import ClusterBot, cluster_bot
from support.clusterworker import until
from support.command import regbot
from support.quickworker import quick_worker
from support.registry import DISTRIBUTION_2
from support.watchedregistry import WatchedRegistry

from regbot.journal.opening import open_journal

NAMES = tuple(f"team/app{number}" for number in range(3))
OLD = ("old0", "old1", "old2")
SCRIPT = """
for _, name in ipairs(tag.ls(args.repo)) do
  if name:match("^old") then tag.delete(args.repo .. ":" .. name, {reason = "it is old"}) end
end
"""
MIRROR = 'image.copy(args.repo .. ":new", args.repo .. "-mirror:new")\n'
_LONGEST = 60.0


@pytest.fixture
def bot(tmp_path: Path, database_url: str) -> Iterator[ClusterBot]:
    """Three repositories with three old tags each, and a plan to delete these."""
    with WatchedRegistry() as registry:
        bot = ClusterBot(tmp_path, registry, database_url)
        for name in NAMES:
            for tag in (*OLD, "new"):
                bot.registry.put_image(name, tag, labels={"n": f"{name} {tag}"})
        configure(bot)
        yield bot


def configure(bot: ClusterBot, text: str = SCRIPT, **more: Any) -> None:
    repositories = [f"{bot.registry.host}/{name}" for name in NAMES]
    bot.configure_all({"clean": {"script": text, "repositories": repositories, **more}})


def content(bot: ClusterBot) -> dict[str, Any]:
    """The tags of each repository."""
    return {name: dict(bot.registry.tags(name)) for name in NAMES}


def is_clean(bot: ClusterBot) -> bool:
    """Whether the old tags are gone, and nothing else is."""
    return all(set(tags) == {"new"} for tags in content(bot).values())


def kept_plan(bot: ClusterBot) -> str:
    """The id of a plan that is made now."""
    assert bot.run("plan").returncode == 0
    return bot.run("show").stdout.split("\t")[0]


def plan_to_approve(bot: ClusterBot) -> str:
    """The id of a plan that is kept as a server keeps one for approval."""
    with open_journal(bot.state) as journal:
        return journal.keep_plan(
            bot.plan_file.read_bytes(),
            made=time.time(),
            config=str(bot.folder / "bot.yml"),
            summary="",
            script="clean",
            approve_within=86400.0,
        ).id


def state_of(bot: ClusterBot, plan: str) -> str:
    with open_journal(bot.state) as journal:
        return journal.plan(plan).state


def test_a_plan_is_carried_out_by_workers_as_it_is_here(bot):
    configure(bot, MIRROR + SCRIPT)
    bot.make_plan()
    before = content(bot)

    def told(*more):
        done = bot.apply("--report", "report.json", *more)
        assert done.returncode == 0, done.stderr
        assert "would" not in done.stdout
        report = json.loads((bot.folder / "report.json").read_text())
        for row in report["rows"]:
            row.pop("ageSeconds", None)
        (run, *_) = bot.runs()
        assert (run.kind, run.status) == ("apply", "done")
        assert is_clean(bot)
        assert f"undo {run.id}" in done.stdout
        assert bot.run("undo", run.id).returncode == 0
        assert content(bot) == before
        table = sorted(line for line in done.stdout.splitlines() if "\t" in line)
        return (
            table,
            report["kind"],
            *(sorted(map(json.dumps, report[part])) for part in ("rows", "repositories")),
        )

    told()  # the copies are there from now on
    here = told()
    with bot.worker(), bot.worker():
        there = told("--cluster")
    assert there == here


def test_a_plan_that_is_kept_is_carried_out_by_its_id(bot):
    plan = kept_plan(bot)
    with bot.worker():
        done = bot.run("apply", plan, "--cluster")
        assert done.returncode == 0, done.stderr
        assert "deleted 9 tags in 3 repositories" in done.stdout
        again = bot.run("apply", plan, "--cluster")
        assert again.returncode == 0
        assert "9 tags were already gone" in again.stdout
    assert is_clean(bot)


def test_a_plan_that_needs_approval_is_applied_once(bot):
    bot.make_plan()
    plan = plan_to_approve(bot)
    with bot.worker():
        assert bot.run("apply", plan, "--cluster").returncode == 0
    assert state_of(bot, plan) == "applied"
    done = bot.run("apply", plan, "--cluster")
    assert done.returncode == 1
    assert "was applied already" in done.stderr


def test_a_plan_without_actions_needs_no_worker(bot):
    configure(bot, "")
    bot.make_plan()
    done = bot.apply("--cluster")
    assert done.returncode == 0
    assert "changed nothing" in done.stdout


def test_what_fails_is_told(bot):
    bot.make_plan()
    bot.registry.break_next(
        "status", "DELETE", f"/v2/{NAMES[1]}/manifests/old1", status=403, times=9
    )
    with bot.worker():
        done = bot.apply("--cluster")
    assert done.returncode == 1
    assert "deleted 8 tags in 3 repositories" in done.stdout
    assert "1 action failed" in done.stdout
    assert set(bot.registry.tags(NAMES[1])) == {"new", "old1"}
    assert [run.status for run in bot.runs()] == ["failed"]


@pytest.mark.parametrize("moment", ["before a delete", "before the answer to a delete"])
def test_a_worker_that_is_killed_leaves_a_plan_that_is_done_once(bot, moment):
    """Another worker ends it, and undo puts all back."""
    bot.make_plan()
    before = content(bot)
    is_killed, is_ready = threading.Event(), threading.Event()

    def kill() -> None:
        assert is_ready.wait(_LONGEST)
        first.kill()
        is_killed.set()

    if moment == "before a delete":
        bot.registry.before("DELETE", "/manifests/", kill, after=4)
    else:
        bot.registry.carried_out("DELETE", "/manifests/", kill, after=4)
    with quick_worker(bot.folder) as first:
        applying = bot.start_logged("apply", "plan.json", "--cluster")
        is_ready.set()
        assert is_killed.wait(_LONGEST)
        with quick_worker(bot.folder):
            assert applying.wait(_LONGEST) == 0, (bot.folder / "stderr").read_text()
    assert is_clean(bot)
    (run,) = bot.runs()
    assert (run.kind, run.status) == ("apply", "done")
    deleted = [each.path for each in bot.registry.deleted]
    assert len(deleted) == len(set(deleted)) == len(NAMES) * len(OLD)
    assert "deleted 9 tags in 3 repositories" in (bot.folder / "stdout").read_text()
    assert bot.run("undo", run.id).returncode == 0
    assert content(bot) == before


@pytest.mark.parametrize("command", [("once",), ("apply", "plan.json")])
def test_a_tag_that_is_left_behind_is_told_at_the_end(tmp_path, database_url, command):
    with cluster_bot(tmp_path, database_url, quirks=DISTRIBUTION_2) as bot:
        before = bot.fill(old=1, new=1)
        bot.configure()
        bot.make_plan()
        refused = {"status": 403, "code": "DENIED", "times": 100}
        bot.registry.break_next("status", "DELETE", "/manifests/sha256:", after=1, **refused)
        bot.registry.break_next("status", "PUT", "/manifests/old0", after=1, **refused)
        with bot.worker():
            done = bot.run(*command, "--cluster")
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"{bot.app}:old0 is left on a placeholder")
        bot.registry.faults.clear()
        program, *arguments = shlex.split(last.rpartition(" with: ")[2])
        assert program == "regbot"
        assert regbot(*arguments, home=bot.folder, cwd=bot.folder).returncode == 0
        assert bot.registry.tags("team/app") == before


def test_a_plan_that_is_cancelled_tells_what_was_done(bot):
    bot.make_plan()
    hold, is_held = threading.Event(), threading.Event()

    def wait() -> None:
        is_held.set()
        assert hold.wait(_LONGEST)

    bot.registry.before("DELETE", "/manifests/", wait, after=4)
    try:
        with bot.worker("--concurrency", "1"):
            applying = bot.start_logged("apply", "plan.json", "--cluster")
            assert is_held.wait(_LONGEST)
            run = bot.run("units").stdout.split("\t")[0]
            assert bot.run("cancel", run).returncode == 0
            assert applying.wait(_LONGEST) == 130
            hold.set()
    finally:
        hold.set()
    told = (bot.folder / "stdout").read_text()
    assert "deleted " in told
    assert f"undo {run}" in told
    assert "apply the plan again to go on" in told
    with bot.worker():
        assert bot.apply("--cluster").returncode == 0
    assert is_clean(bot)


def test_a_folder_as_state_is_no_cluster(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.configure()
        bot.fill()
        bot.make_plan()
        done = bot.apply("--cluster")
        assert done.returncode == 2
        assert "--cluster needs a state that machines share" in done.stderr
        assert len(bot.registry.tags("team/app")) == 5


def test_a_plan_is_applied_though_the_command_is_gone(bot):
    """It is being applied as long as workers do that."""
    bot.make_plan()
    plan = plan_to_approve(bot)
    hold, is_held = threading.Event(), threading.Event()

    def wait() -> None:
        is_held.set()
        assert hold.wait(_LONGEST)

    bot.registry.before("DELETE", "/manifests/", wait, after=4)
    try:
        with bot.worker():
            applying = bot.start_logged("apply", plan, "--cluster")
            assert is_held.wait(_LONGEST)
            applying.kill()
            applying.wait()
            assert state_of(bot, plan) == "applying"
            assert "is being applied" in bot.run("apply", plan).stderr
            hold.set()
            until(lambda: state_of(bot, plan) == "applied")
    finally:
        hold.set()
    assert is_clean(bot)
