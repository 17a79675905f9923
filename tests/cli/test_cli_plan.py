"""regbot plan, apply, history and undo, as a user runs them."""

import csv
import json
import threading

import pytest
from support.applying import APP, DELETE_OLD, OLD, bot_in
from support.command import last_line
from support.images import make_image
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3

NEWER = make_image(labels={"pushed": "meanwhile"})


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        bot.configure()
        yield bot


def failed_line(done):
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    return line


def test_a_plan_holds_what_was_decided_on(bot):
    tags = bot.registry.tags(APP)
    plan = bot.make_plan()
    assert bot.wrote() == []
    assert plan["schema"] == 3
    assert plan["made"].endswith("Z")
    assert plan["config"]
    assert [entry["reference"] for entry in plan["actions"]] == [
        f"{bot.app}:old{number}" for number in range(3)
    ]
    for entry in plan["actions"]:
        assert entry["script"] == "clean"
        assert entry["action"] == "delete tag"
        assert entry["digest"] == tags[entry["reference"].rpartition(":")[2]]
        assert entry["reason"] == "it is old"
        assert entry["created"] == OLD
        assert entry["size"] > 0
    assert json.loads(bot.run("plan", "-o", "-").stdout)["actions"] == plan["actions"]


def test_the_reason_is_else_the_log_line_before(bot):
    bot.configure('log("nobody wants it") tag.delete(app .. ":old0")')
    (entry,) = bot.make_plan()["actions"]
    assert entry["reason"] == "nobody wants it"


def test_apply_does_what_the_plan_says_and_nothing_else(bot):
    bot.make_plan()
    bot.fill(old=5)
    done = bot.apply()
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old3", "old4"}
    assert len(bot.wrote()) == 3
    assert last_line(done.stdout) == "deleted 3 tags in 1 repository"
    assert "warning" not in done.stderr


def test_applying_twice_is_done_already(bot):
    bot.make_plan()
    assert bot.apply().returncode == 0
    bot.registry.forget()
    done = bot.apply()
    assert done.returncode == 0
    assert bot.wrote() == []
    assert done.stdout.count("already gone") == 4
    assert last_line(done.stdout) == "changed nothing; 3 tags were already gone"


def test_a_tag_that_moved_is_skipped_with_a_warning(bot):
    bot.make_plan()
    bot.registry.put(APP, "old1", NEWER)
    done = bot.apply()
    assert done.returncode == 0
    assert bot.registry.tags(APP)["old1"] == str(NEWER.digest)
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old1"}
    (line,) = [line for line in done.stderr.splitlines() if "level=WARN" in line]
    assert f"image={bot.app}:old1" in line
    assert str(NEWER.digest) in line
    assert last_line(done.stdout) == "deleted 2 tags in 1 repository; 1 action skipped"


def test_what_failed_is_listed_and_goes_on_the_next_time(bot):
    bot.make_plan()
    bot.registry.break_next("status", "DELETE", "/old1", status=403, code="DENIED")
    done = bot.apply()
    assert done.returncode == 1
    (row,) = [line for line in done.stdout.splitlines() if "\tfailed\t" in line]
    assert f"{bot.app}:old1" in row
    assert "403" in row
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old1"}
    done = bot.apply()
    assert done.returncode == 0
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}


def test_deletes_that_rest_on_a_failed_copy_are_not_done(bot):
    bot.configure_all(
        {
            "move": {
                "script": 'image.copy(app .. ":old0", app .. "-copy:x") tag.delete(app .. ":old0")'
            },
            "other": {"script": 'tag.delete(app .. ":old1")'},
        }
    )
    bot.make_plan()
    bot.registry.break_next("status", "PUT", f"{APP}-copy/manifests", status=403, code="DENIED")
    done = bot.apply()
    assert done.returncode == 1
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old0", "old2"}
    (row,) = [line for line in done.stdout.splitlines() if "\tskipped\t" in line]
    assert f"{bot.app}:old0" in row
    assert "an earlier copy or put of the script failed" in row
    assert bot.apply().returncode == 0
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old2"}
    assert set(bot.registry.tags(f"{APP}-copy")) == {"x"}


def test_another_config_is_warned_of(bot):
    bot.make_plan()
    bot.configure(DELETE_OLD + "-- changed")
    done = bot.apply()
    assert done.returncode == 0
    assert "warning: the config or its scripts changed since the plan was made" in done.stderr


def test_a_tag_that_leads_nowhere_does_not_spoil_the_plan(bot):
    bot.registry.tag(APP, "old9", "sha256:" + "0" * 64)
    assert len(bot.make_plan()["actions"]) == 3
    assert bot.apply().returncode == 0


def test_scripts_that_fail_are_left_out_of_the_plan(bot):
    bot.configure_all(
        {
            "good": {"script": 'tag.delete(app .. ":old0")'},
            "bad": {"script": 'tag.delete(app .. ":old1") error("stop")'},
        }
    )
    names = ["out.json", "out.csv"]
    done = bot.run("plan", "-o", "plan.json", *(f"--report={name}" for name in names))
    assert done.returncode == 1
    assert [one["script"] for one in json.loads(bot.plan_file.read_text())["actions"]] == ["good"]
    table, *_ = [line for line in done.stdout.splitlines() if line.startswith("bad\t")]
    assert "\tdelete tag\tskipped\t" in table
    assert done.stdout.splitlines()[-1] == (
        "would delete 1 tag in 1 repository; 1 action skipped; 1 of 2 scripts failed: bad;"
        " apply with: regbot apply plan.json -c bot.yml;"
        " what stays: regbot show plan.json --kept -c bot.yml"
    )
    expected = {"good": "planned", "bad": "skipped"}
    report = json.loads((bot.folder / "out.json").read_text())
    assert {row["script"]: row["status"] for row in report["rows"]} == expected
    with (bot.folder / "out.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["line"] == "action"]
    assert {row["script"]: row["status"] for row in rows} == expected


COPY_AND_FAIL = 'image.copy(app .. ":old0", app .. "-copy:x") error("stop")'
DELETE_COPIED = """
local copied = pcall(manifest.head, app .. "-copy:x")
if copied then tag.delete(app .. ":old0") end
"""


@pytest.mark.parametrize("guard", [{}, {"guard": {"maxDeletes": 5}}])
def test_no_later_script_sees_what_a_failed_one_planned(bot, guard):
    """The copy is not in the plan, so a delete that rests on it must not be either."""
    scripts = {
        "copy": {"script": COPY_AND_FAIL, **guard},
        "delete": {"script": DELETE_COPIED},
    }
    bot.configure_all(scripts)
    done = bot.run("plan", "-o", "plan.json")
    assert done.returncode == 1
    assert json.loads(bot.plan_file.read_text())["actions"] == []
    if guard:
        done = bot.run("once", "--dry-run")
        assert (
            done.stdout.splitlines()[-1]
            == "would change nothing; 1 action skipped; 1 of 2 scripts failed: copy"
        )


def test_later_scripts_see_what_a_good_one_planned(bot):
    scripts = {
        "copy": {"script": COPY_AND_FAIL.partition(" error")[0]},
        "delete": {"script": DELETE_COPIED},
    }
    bot.configure_all(scripts)
    assert [entry["action"] for entry in bot.make_plan()["actions"]] == ["copy image", "delete tag"]


def test_a_dry_run_plans_what_a_script_would_have_done_before_it_failed(bot):
    bot.configure('tag.delete(app .. ":old1") error("stop")')
    done = bot.run("once", "--dry-run")
    assert done.stdout.splitlines()[-1] == "would delete 1 tag in 1 repository; script clean failed"
    bot.configure('tag.delete(app .. ":old1") error("stop")', guard={"maxDeletes": 5})
    done = bot.run("once", "--dry-run")
    assert (
        done.stdout.splitlines()[-1]
        == "would change nothing; 1 action skipped; script clean failed"
    )


@pytest.mark.parametrize("quirks", [DISTRIBUTION_3, DISTRIBUTION_2])
def test_two_applies_at_once_do_no_harm(tmp_path, quirks):
    with bot_in(tmp_path, quirks) as bot:
        before = bot.fill(old=20, new=5)
        bot.registry.tag(APP, "same", before["old0"])
        bot.configure()
        bot.make_plan()
        with bot.start("apply", "plan.json") as other:
            done = bot.apply()
        assert done.returncode == 0, done.stdout + done.stderr
        assert other.returncode == 0
        kept = {tag: digest for tag, digest in before.items() if tag.startswith("new")}
        assert bot.registry.tags(APP) == {**kept, "same": before["old0"]}
        for run in bot.journalled():
            assert bot.run("undo", run).returncode == 0
        assert bot.registry.tags(APP) == {**before, "same": before["old0"]}


def test_an_export_of_a_tag_that_moved_is_not_written(bot):
    bot.configure('image.exportTar(app .. ":old0", "old0.tar")')
    bot.make_plan()
    assert not (bot.folder / "old0.tar").exists()
    bot.registry.put(APP, "old0", NEWER)
    done = bot.apply()
    assert done.returncode == 1
    assert "decided on" in done.stderr
    assert not (bot.folder / "old0.tar").exists()


def test_a_copy_takes_what_it_was_decided_on(bot):
    bot.configure('image.copy(app .. ":old0", app .. "-copy:x")')
    bot.make_plan()
    digest = bot.registry.tags(APP)["old0"]
    bot.registry.put(APP, "old0", NEWER)
    assert bot.apply().returncode == 0
    assert bot.registry.tags(f"{APP}-copy") == {"x": digest}


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', '{"schema": 9, "actions": []}', "[1]"])
def test_what_is_no_plan_ends_with_one_line(bot, text):
    bot.plan_file.write_text(text)
    done = bot.apply()
    assert done.returncode == 2
    assert done.stderr.startswith("plan.json: ")
    assert len(done.stderr.splitlines()) == 1
    assert bot.registry.requests == []


def test_texts_that_no_terminal_can_show_are_shown_all_the_same(bot):
    plan = bot.make_plan()
    plan["actions"][0] |= {"script": "\ud800", "reason": "\x1b[31m\ud800 <script>"}
    bot.plan_file.write_text(json.dumps(plan))
    done = bot.apply("--report", "out.json", "--report", "out.html")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}


def test_the_journal_can_be_read_and_undone(bot):
    before = bot.registry.tags(APP)
    bot.make_plan()
    bot.apply()
    (run,) = bot.journalled()
    listed = bot.run("history").stdout
    assert run in listed
    assert "apply" in listed
    shown = bot.run("history", run[:-2]).stdout
    assert [tag for tag in before if f"{bot.app}:{tag}" in shown] == ["old0", "old1", "old2"]
    assert "it is old" in shown
    done = bot.run("undo", run, "--tag", "old1")
    assert done.returncode == 0
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old1"}
    assert bot.run("undo", run, "--tag", "nosuch").returncode == 1
    assert bot.run("undo", run).returncode == 0
    assert bot.registry.tags(APP) == before
    assert bot.run("undo", "nosuch").returncode == 1


def test_a_run_that_changes_nothing_leaves_no_file(bot):
    bot.configure("tag.ls(app)", guard={"maxDeletes": 1})
    for command in (("once",), ("once", "--dry-run"), ("plan", "-o", "-")):
        assert bot.run(*command).returncode == 0
    assert not bot.state.exists()


@pytest.mark.parametrize("state", ["/proc/nope", "a-file", "a-file/below"])
@pytest.mark.parametrize("guard", [{}, {"guard": {"maxDeletes": 100}}])
def test_without_a_journal_nothing_is_deleted(bot, state, guard):
    (bot.folder / "a-file").write_text("in the way")
    bot.configure_all({"clean": {"script": DELETE_OLD, **guard}}, state=state)
    before = bot.registry.tags(APP)
    failed_line(bot.run("once"))
    bot.make_plan()
    done = bot.apply()
    assert done.returncode == 1
    assert last_line(done.stdout) == "changed nothing; 3 actions failed"
    assert bot.wrote() == []
    assert bot.registry.tags(APP) == before


@pytest.mark.parametrize("command", ["once", "plan", "apply"])
def test_reports_are_written(bot, command):
    if command == "apply":
        bot.make_plan()
    names = [f"out.{suffix}" for suffix in ("json", "html", "md", "csv")]
    flags = [part for name in names for part in ("--report", name)]
    done = bot.run(command, *(["plan.json"] if command == "apply" else []), *flags)
    assert done.returncode == 0, done.stderr
    data = json.loads((bot.folder / "out.json").read_text())
    assert data["kind"] == command
    assert [row["reason"] for row in data["rows"]] == ["it is old"] * 3
    with (bot.folder / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["reason"] for row in rows if row["line"] == "action"] == ["it is old"] * 3
    for name in names:
        assert f"{bot.app}:old0" in (bot.folder / name).read_text()


@pytest.mark.parametrize("report", ["out.txt", "out", "nosuch/out.json", ".", "/proc/out.json"])
@pytest.mark.parametrize("command", ["once", "plan", "apply"])
def test_a_report_that_can_not_be_written_is_said_before_anything_runs(bot, command, report):
    bot.plan_file.write_text("{}")
    arguments = ["plan.json"] if command == "apply" else []
    done = bot.run(command, *arguments, "--report", report)
    assert done.returncode == 2
    assert done.stderr.startswith(f"--report {report}: ")
    assert len(done.stderr.splitlines()) == 1
    assert bot.registry.requests == []


@pytest.mark.parametrize("output", ["nosuch/plan.json", ".", "/proc/plan.json", "a-file/plan.json"])
def test_a_plan_that_can_not_be_written_is_said_before_anything_runs(bot, output):
    (bot.folder / "a-file").write_text("in the way")
    done = bot.run("plan", "-o", output)
    assert done.returncode == 2
    assert done.stderr.startswith(f"--output {output}: ")
    assert len(done.stderr.splitlines()) == 1
    assert bot.registry.requests == []
    assert sorted(path.name for path in bot.folder.iterdir()) == ["a-file", "bot.yml"]


def test_a_signal_ends_apply_and_the_next_goes_on(bot):
    bot.make_plan()
    reached, go = threading.Event(), threading.Event()

    def hold():
        reached.set()
        go.wait(60)

    bot.registry.before("DELETE", "/old1", hold)
    process = bot.start("apply", "plan.json")
    assert reached.wait(60)
    process.terminate()
    go.set()
    assert process.wait(60) == 130
    done = bot.apply()
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
