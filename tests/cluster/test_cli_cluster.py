"""The commands that share a run among worker processes, with a real PostgreSQL."""

from __future__ import annotations

import json
import re
import signal

import pytest
from support.applying import APP, bot_in
from support.clusterbot import cluster_bot
from support.clusterworker import until
from support.postgres import postgres as own_postgres

EACH_REPOSITORY = """
for _, name in ipairs(tag.ls(args.repo)) do
  if name:match("^old") then tag.delete(args.repo .. ":" .. name, {reason = "it is old"}) end
end
"""
FOR_EVER = "while true do end"


@pytest.fixture
def bot(tmp_path, database_url):
    with cluster_bot(tmp_path, database_url) as bot:
        yield bot


@pytest.fixture
def kill_at_end():
    """Processes that are killed at the end."""
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def filled(bot, count):
    """So many repositories, each with two old tags and a new one."""
    names = [f"team/app{number}" for number in range(count)]
    for name in names:
        for tag in ("old1", "old2", "new"):
            bot.registry.put_image(name, tag, labels={"n": f"{name} {tag}"})
    return names


def tags(bot, names):
    return [sorted(bot.registry.tags(name)) for name in names]


def last_line(done):
    return re.sub(r"[\d.]+m?s\b", "TIME", done.stderr.splitlines()[-1])


def test_a_script_is_done_by_a_worker_and_can_be_undone(bot):
    bot.configure()
    bot.fill()
    with bot.worker():
        done = bot.run("once", "--cluster")
        assert done.returncode == 0, done.stderr
    assert sorted(bot.registry.tags(APP)) == ["new0", "new1"]
    (run,) = bot.runs()
    assert (run.kind, run.status) == ("once", "done")
    assert [action.status for action in bot.journalled()[run.id]] == ["done"] * 3
    assert f"undo {run.id}" in done.stderr
    assert bot.run("undo", run.id).returncode == 0
    assert len(bot.registry.tags(APP)) == 5


@pytest.mark.parametrize("guard", [{}, {"maxDeletes": 100}])
def test_repositories_are_shared_among_workers(bot, guard):
    names = filled(bot, 6)
    repositories = [f"{bot.registry.host}/{name}" for name in names]
    bot.configure_all(
        {"clean": {"script": EACH_REPOSITORY, "repositories": repositories, "guard": guard}}
    )
    with bot.worker("--concurrency", "2"), bot.worker("--concurrency", "2"):
        done = bot.run("once", "--cluster")
    assert done.returncode == 0, done.stderr
    assert tags(bot, names) == [["new"]] * 6
    (run,) = bot.runs()
    assert run.status == "done"
    assert len(bot.journalled()[run.id]) == 12
    assert len(bot.wrote()) == 12


def test_a_dry_run_of_a_cluster_says_the_same_as_here(bot):
    names = filled(bot, 3)
    repositories = [f"{bot.registry.host}/{name}" for name in names]
    bot.configure_all({"clean": {"script": EACH_REPOSITORY, "repositories": repositories}})
    here = bot.run("once", "--dry-run")
    with bot.worker():
        there = bot.run("once", "--dry-run", "--cluster")
    assert there.returncode == here.returncode == 0, there.stderr

    def table(done):
        return sorted(re.sub(r"[\d.]+m?s\b", "TIME", done.stdout).splitlines())

    assert table(there) == table(here)
    assert not bot.wrote()


MIRRORED = """
image.copy(args.repo .. ":new", args.repo .. "-mirror:new")
"""


@pytest.mark.parametrize("command", [("once", "--dry-run"), ("plan", "-o", "plan.json")])
def test_reports_and_plans_of_a_cluster_are_those_of_one_machine(bot, command):
    names = filled(bot, 3)
    repositories = [f"{bot.registry.host}/{name}" for name in names]
    text = EACH_REPOSITORY + MIRRORED
    bot.configure_all({"clean": {"script": text, "repositories": repositories}})

    def told(*more):
        assert bot.run(*command, "--report", "report.json", *more).returncode == 0
        report = json.loads((bot.folder / "report.json").read_text())
        plan = bot.folder / "plan.json"
        planned = json.loads(plan.read_text()) if plan.exists() else {"actions": [], "kept": []}
        rows = (report["rows"], report["repositories"], planned["actions"], planned["kept"])
        for row in report["rows"]:
            del row["ageSeconds"]
        return [sorted(map(json.dumps, part)) for part in rows]

    here = told()
    with bot.worker():
        there = told("--cluster")
    assert there == here
    assert not bot.wrote()


def test_a_guard_judges_what_all_units_planned(bot):
    names = filled(bot, 3)
    repositories = [f"{bot.registry.host}/{name}" for name in names]
    bot.configure_all(
        {
            "clean": {
                "script": EACH_REPOSITORY,
                "repositories": repositories,
                "guard": {"maxDeletes": 5},
            }
        }
    )
    with bot.worker():
        done = bot.run("once", "--cluster")
    assert done.returncode == 1
    assert "maxDeletes" in done.stderr
    assert not bot.wrote()


def test_a_unit_that_had_all_its_time_is_not_tried_again(bot):
    bot.configure(FOR_EVER, timeout="1s")
    with bot.worker() as worker:
        done = bot.run("once", "--cluster")
        assert done.returncode == 1
        assert "timeout" in done.stderr
        (run,) = set(re.findall(r"\d{8}-\d{6}-\w+", done.stderr))
        (unit,) = bot.run("units", run).stdout.splitlines()
        assert worker.poll() is None
    assert "\t1\t" in unit


def test_units_are_listed_and_a_run_is_cancelled(bot, kill_at_end):
    bot.configure(FOR_EVER, timeout="10m")
    with bot.worker():
        waiting = bot.start_logged("once", "--cluster")
        kill_at_end.append(waiting)
        until(lambda: "running" in bot.run("units").stdout)
        (run,) = set(re.findall(r"\d{8}-\d{6}-\w+", bot.run("units").stdout))
        done = bot.run("cancel", run)
        assert done.returncode == 0
        assert done.stderr == f"1 unit of {run} stopped\n"
        assert waiting.wait(30) == 130
        assert "stopped" in bot.run("units", run).stdout
        assert bot.run("cancel", run).stderr == f"{run} had ended already\n"
        bot.configure()
    assert "no run" in bot.run("units").stderr


def test_ctrl_c_says_so_where_it_can_not_cancel_the_run(tmp_path, kill_at_end):
    with own_postgres() as server, cluster_bot(tmp_path, server.url()) as bot:
        bot.configure()
        waiting = bot.start_logged("once", "--cluster")
        kill_at_end.append(waiting)
        until(lambda: "waiting" in bot.run("units").stdout)
        server.stop()
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(60) == 1
        server.start()
        told = (tmp_path / "stderr").read_text()
        (run,) = re.findall(r"workers go on .* \(regbot cancel (\S+)\)", told)
        assert bot.run("cancel", run).returncode == 0


def test_a_run_that_no_worker_begins_says_so_once(bot, kill_at_end):
    bot.configure("print('done')")
    waiting = bot.start_logged("once", "--cluster")
    kill_at_end.append(waiting)
    log = bot.folder / "stderr"
    until(lambda: "no worker has begun" in log.read_text())
    with bot.worker():
        assert waiting.wait(60) == 0
    assert log.read_text().count("no worker has begun") == 1


def test_a_folder_as_state_is_no_cluster(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.configure()
        for command in (
            ["worker"],
            ["units"],
            ["cancel", "x"],
            ["once", "--cluster"],
            ["plan", "--cluster"],
        ):
            done = bot.run(*command)
            assert done.returncode == 2
            assert "needs a state that machines share" in done.stderr
            assert "postgresql://user:password@host/database" in done.stderr


def test_a_run_that_nobody_knows_is_not_found(bot):
    bot.configure()
    for command in ("units", "cancel"):
        done = bot.run(command, "20200101-000000-abcdef")
        assert done.returncode == 1
        assert "no run '20200101-000000-abcdef' was handed out" in done.stderr


def test_help_tells_how_to_share_runs(bot):
    bot.configure()
    assert "postgresql://" in bot.run("worker", "--help").stdout
    assert json.loads((bot.folder / "bot.yml").read_text())
