"""Deletes that are finished behind the script: what is asked, when, and what can go wrong."""

from __future__ import annotations

import json
import math
import signal
import threading
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from support.applying import APP, DELETE_OLD, bot_in
from support.clients import Client
from support.journals import begin, small
from support.registry import DISTRIBUTION_3, TestRegistry
from support.tagged import fill

from regbot.errors import InternalError
from regbot.events import ignore
from regbot.journal.opening import open_journal
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.journal.sqlite import SqliteDatabase
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteTag
from regbot.plan.behind import Begun, Behind
from regbot.plan.executor import Terms
from regbot.plan.outcome import Outcomes
from regbot.plan.recorder import Beginning
from regbot.plan.session import open_session
from regbot.store import layout
from regbot.store.ocidir import OciDirStore
from regbot.store.remote import RemoteStore

DELETE = 'tag.delete(app .. ":old0")'
FILL = """
for number = 1, 40 do image.copy(app .. ":new0", "ocidir://layout:t" .. number) end
"""
EMPTY = """
for _, name in ipairs(tag.ls("ocidir://layout")) do
  if name ~= "t1" then tag.delete("ocidir://layout:" .. name) end
end
print(#tag.ls("ocidir://layout"))
"""


def asked_of(bot, tag):
    """The methods of the requests for a tag, in order."""
    return [entry.method for entry in bot.registry.asked(part=f"/manifests/{tag}")]


def statuses(bot):
    """The statuses of the newest run's entries in the journal."""
    return [action.status for action in next(iter(bot.journalled().values()))]


def statuses_in(report):
    """The statuses of all actions in a report, in alphabetical order."""
    return sorted(row["status"] for row in json.loads(report.read_text())["rows"])


@contextmanager
def counted_commits():
    """How many transactions were committed in the block, in a list."""
    statements, run = [], SqliteDatabase.run

    def counting(database, statement, values=()):
        statements.append(statement)
        return run(database, statement, values)

    commits = []
    with patch.object(SqliteDatabase, "run", counting):
        yield commits
    commits += [statement for statement in statements if statement == "COMMIT"]


@contextmanager
def door(client, terms=Terms()):  # noqa: B008
    """The door to a registry, and what becomes of the deletes."""
    outcomes = Outcomes()
    with open_session(
        "clean", client.bound, stop=client.stop, emit=ignore, outcomes=outcomes, terms=terms
    ) as session:
        yield session.executor, outcomes


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=1)
        bot.registry.forget()
        yield bot


def test_a_tag_is_seen_deleted_and_read_back(bot):
    """A look that is fresh is not repeated, however slow this machine is."""
    slot = JournalSlot(JournalSettings(bot.folder, math.inf, "bot.yml", "f00d"), "once")
    with (
        patch("regbot.plan.look.LOOK_HOLDS", 60.0),
        Client(bot.registry.host) as client,
        door(client, Terms(journal=slot)) as (executor, outcomes),
    ):
        executor.begin(DeleteTag(Reference.parse(f"{bot.app}:old0")))
        executor.settle()
    slot.finish("done")
    assert asked_of(bot, "old0") == ["GET", "DELETE", "HEAD"]
    assert [outcome.status for outcome in outcomes.all] == ["done"]


def test_referrers_are_asked_for_together_with_the_tag(bot):
    came, together = threading.Event(), []
    bot.registry.before("GET", "/manifests/sha256-", came.set)
    bot.registry.before("GET", "/manifests/old0", lambda: together.append(came.wait(60)))
    bot.configure(f'manifest.head(app .. ":old0") {DELETE}')
    assert bot.run("once").returncode == 0
    assert together == [True]


def test_a_look_that_is_not_fresh_any_more_is_repeated(bot):
    """PITFALLS: there is no conditional delete, so a HEAD comes just before it."""
    bot.registry.break_next("stall", "GET", "/manifests/sha256-", seconds=0.3, times=9)
    bot.configure(DELETE)
    assert bot.run("once").returncode == 0
    assert asked_of(bot, "old0") == ["GET", "HEAD", "DELETE", "HEAD"]


def test_a_tag_that_moves_while_it_is_saved_is_left(bot):
    new = bot.registry.tags(APP)["new0"]
    slow = {"seconds": 0.3, "times": 9}
    bot.registry.break_next("stall", "GET", "/manifests/sha256-", **slow)
    bot.registry.before("HEAD", "/manifests/old0", lambda: bot.registry.tag(APP, "old0", new))
    bot.configure(DELETE)
    done = bot.run("once")
    assert "moved since the script looked" in done.stderr
    assert bot.registry.tags(APP)["old0"] == new


@pytest.mark.parametrize("command", ["once", "apply"])
def test_a_tag_that_is_still_there_fails_the_run(tmp_path, command):
    with bot_in(tmp_path, DISTRIBUTION_3, tag_delete="ignored") as bot:
        before = bot.fill(old=3, new=1)
        bot.configure()
        plan = []
        if command == "apply":
            bot.make_plan()
            plan = ["plan.json"]
        done = bot.run(command, *plan, "--report", "report.json")
        assert done.returncode == 1
        assert "old2 is still there" in done.stdout + done.stderr
        assert statuses(bot) == ["failed"] * 3
        assert "failed" in (tmp_path / "report.json").read_text()
        assert bot.registry.tags(APP) == before


def break_reading_back(bot, tag):
    """Have no look at a tag answered after its DELETE; looks before that are."""
    refused = {"status": 403, "times": 9}
    path = f"/manifests/{tag}"
    bot.registry.before(
        "DELETE", path, lambda: bot.registry.break_next("status", "HEAD", path, **refused)
    )


class TestWhatCanNotBeReadBack:
    """The registry accepts every DELETE and carries none out."""

    DOUBT = "whether the tag is gone could not be seen"

    @pytest.fixture
    def bot(self, tmp_path):
        with bot_in(tmp_path, DISTRIBUTION_3, tag_delete="ignored") as bot:
            bot.fill(old=3, new=1)
            bot.configure()
            yield bot

    def test_one_tag_does_not_vouch_for_the_others(self, bot):
        break_reading_back(bot, "old1")
        done = bot.run("once")
        assert done.returncode == 1
        [first, second, third] = next(iter(bot.journalled().values()))
        assert [first.status, second.status, third.status] == ["failed"] * 3
        assert self.DOUBT in second.detail
        assert "is still there" in first.detail
        assert "is still there" in third.detail

    def test_after_three_that_fail_the_others_are_not_asked_for(self, bot):
        bot.fill(old=9, new=1)
        bot.make_plan()
        for number in range(9):
            break_reading_back(bot, f"old{number}")
        assert bot.apply().returncode == 1
        assert all(self.DOUBT in action.detail for action in next(iter(bot.journalled().values())))
        assert statuses(bot) == ["failed"] * 9

    @pytest.mark.parametrize("signalled", ["/manifests/old0", "/manifests/old1"])
    def test_a_run_that_is_stopped_calls_none_done(self, bot, signalled):
        bot.configure(f'{DELETE_OLD} manifest.head(app .. ":new0")')
        started = []
        bot.registry.before("HEAD", signalled, lambda: started[0].send_signal(signal.SIGTERM))
        bot.registry.break_next("stall", "HEAD", "/manifests/old1", seconds=9, times=9)
        started.append(bot.start_logged("once"))
        started[0].wait(60)
        assert set(statuses(bot)) <= {"stopped", "failed"}


def test_a_list_that_fails_vouches_for_no_tag(tmp_path):
    """One tag goes; the DELETEs of the others are accepted and not carried out."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        before = bot.fill(old=9, new=1)
        bot.registry.break_next("status", "DELETE", "/manifests/old[1-8]", status=202, times=99)
        denied = {"status": 403, "code": "DENIED", "times": 9}
        bot.registry.before(
            "DELETE",
            "/manifests/old0",
            lambda: bot.registry.break_next("status", "GET", "/tags/list", after=1, **denied),
        )
        bot.configure(f"{DELETE} {DELETE_OLD}")
        assert bot.run("once").returncode == 1
        assert statuses(bot) == ["done"] + ["failed"] * 8
        del before["old0"]
        assert bot.registry.tags(APP) == before


def test_the_script_goes_on_before_the_tag_is_read_back(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3, tag_delete="ignored") as bot:
        bot.fill(old=1, new=1)
        bot.configure(f'{DELETE} print("gone on")')
        done = bot.run("once")
        assert done.stdout.startswith("gone on")
        assert done.returncode == 1


def test_many_tags_are_read_back_by_a_list(bot):
    tags = [f"old{number}" for number in range(40)]
    bot.fill(old=40, new=1)
    with (
        patch("regbot.plan.behind._PAUSE", 60.0),
        Client(bot.registry.host) as client,
        door(client) as (executor, outcomes),
    ):
        for tag in tags:
            executor.begin(DeleteTag(Reference.parse(f"{bot.app}:{tag}")))
        executor.settle()
    assert [outcome.status for outcome in outcomes.all] == ["done"] * 40
    assert set(bot.registry.tags(APP)) == {"new0"}
    last = max(i for i, entry in enumerate(bot.registry.requests) if entry.method == "DELETE")
    assert len(bot.registry.requests[last + 1 :]) <= 2


@pytest.mark.parametrize("read", ["manifest.head", "manifest.get"])
def test_a_read_of_a_deleted_tag_comes_after_its_delete(tmp_path, read):
    with bot_in(tmp_path, DISTRIBUTION_3, stale_reads=3) as bot:
        bot.fill(old=1, new=1)
        bot.configure(f'{DELETE} print(pcall({read}, app .. ":old0"))')
        assert bot.run("once").stdout.startswith("false")


def test_a_tag_can_be_deleted_put_and_deleted_again(bot):
    bot.configure(f'{DELETE} image.copy(app .. ":new0", app .. ":old0") {DELETE}')
    assert bot.run("once").returncode == 0
    assert "old0" not in bot.registry.tags(APP)


FOUR_TIMES = "parallel.map({1, 2, 3, 4}, function() pcall(tag.delete, %s) end)"


def test_one_tag_deleted_four_times_at_once_fails_four_times(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3, tag_delete="ignored") as bot:
        bot.fill(old=1, new=1)
        bot.registry.break_next("stall", "DELETE", "/manifests/old0", seconds=0.3, times=9)
        bot.configure(FOUR_TIMES % 'app .. ":old0"')
        assert bot.run("once", "--report", "report.json").returncode == 1
        assert statuses(bot) == ["failed"] * 4
        assert statuses_in(tmp_path / "report.json") == ["failed"] * 4


def test_one_tag_of_a_folder_deleted_four_times_at_once_is_deleted_once(bot):
    bot.configure('image.copy(app .. ":new0", "ocidir://layout:t1")')
    assert bot.run("once").returncode == 0
    bot.configure(FOUR_TIMES % '"ocidir://layout:t1"')
    bot.run("once", "--report", "report.json")
    assert statuses(bot) == ["done"]
    assert statuses_in(bot.folder / "report.json") == ["done", "failed", "failed", "failed"]


def test_tags_of_a_folder_go_and_are_not_listed_any_more(bot):
    bot.configure(FILL)
    assert bot.run("once").returncode == 0
    bot.configure(EMPTY)
    assert bot.run("once").stdout == "1\n"
    assert statuses(bot) == ["done"] * 39
    run = next(iter(bot.journalled()))
    assert bot.run("undo", run).returncode == 0
    bot.configure('print(#tag.ls("ocidir://layout"))')
    assert bot.run("once").stdout == "40\n"


def test_the_index_of_a_folder_is_written_once_for_many_tags(bot):
    bot.configure(FILL)
    assert bot.run("once").returncode == 0
    store = OciDirStore(Reference.parse(f"ocidir://{bot.folder}/layout"))
    digest = store.head(Tag("t1")).digest
    with patch.object(layout, "replace_by_pieces", wraps=layout.replace_by_pieces) as written:
        tags = [Tag(f"t{number}") for number in range(1, 40)]
        assert store.finish_deletes(dict.fromkeys(tags, digest)) == {}
    assert written.call_count == 1
    assert store.tags() == ["t40"]


def moved(manifests):
    manifests[0]["digest"] = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [(moved, "skipped", "moved since the script looked"), (list.clear, "done", "already gone")],
)
def test_a_tag_of_a_folder_that_changes_while_its_delete_waits(bot, change, status, detail):
    layout_folder = bot.folder / "layout"
    bot.configure('image.copy(app .. ":new0", "ocidir://layout:t1")')
    assert bot.run("once").returncode == 0
    reference = Reference.parse(f"ocidir://{layout_folder}:t1")
    index = layout_folder / "index.json"
    with Client(bot.registry.host) as client, door(client) as (executor, outcomes):
        with patch("regbot.plan.behind._PAUSE", 60.0):
            executor.begin(DeleteTag(reference))
            content = json.loads(index.read_text())
            change(content["manifests"])
            index.write_text(json.dumps(content))
        executor.settle()
    [outcome] = outcomes.all
    assert outcome.status == status
    assert detail in outcome.detail


def test_what_is_stopped_before_it_is_done_in_a_folder_is_left(bot):
    bot.configure(FILL)
    assert bot.run("once").returncode == 0
    bot.configure('tag.delete("ocidir://layout:t1") manifest.head(app .. ":new0")')
    process = bot.start("once")
    bot.registry.before("HEAD", "/manifests/new0", lambda: process.send_signal(signal.SIGTERM))
    process.wait(60)
    index = json.loads((bot.folder / "layout" / "index.json").read_text())
    noted = [action for actions in bot.journalled().values() for action in actions]
    deletes = [action.status for action in noted if action.verb == "delete tag"]
    assert deletes == (["done"] if len(index["manifests"]) == 39 else [])


def test_killed_before_the_tag_is_read_back(bot):
    before = dict(bot.registry.tags(APP))
    bot.configure(DELETE)
    process = bot.start("once")
    bot.registry.before("HEAD", "/manifests/old0", process.kill)
    assert process.wait(60) == -9
    assert statuses(bot) == ["begun"]
    assert bot.run("undo", next(iter(bot.journalled()))).returncode == 0
    assert bot.registry.tags(APP) == before


def test_stopped_before_the_tag_is_read_back(bot):
    bot.configure(DELETE)
    process = bot.start_logged("once")
    bot.registry.break_next("stall", "HEAD", "/manifests/old0", seconds=60.0)
    stop = threading.Timer(0.2, process.send_signal, [signal.SIGTERM])
    bot.registry.before("GET", "/manifests/old0", stop.start)
    process.wait(60)
    stop.join()
    assert set(statuses(bot)) <= {"done", "stopped"}


def test_entries_that_wait_together_are_written_together(tmp_path):
    with open_journal(tmp_path) as journal, counted_commits() as commits:
        run = begin(journal)
        place = Reference.parse("registry.example.org/team/app:v1")

        def note(number):
            run.begin([Beginning("clean", DeleteTag(place), small(number))])

        threads = [threading.Thread(target=note, args=(number,)) for number in range(16)]
        with run._history.writing():
            for thread in threads:
                thread.start()
            while len(run._history._database._batches.waiting) < 15:
                continue
        for thread in threads:
            thread.join()
        assert len(journal.actions(run.id)) == 16
    assert len(commits) < 16


def test_a_defect_behind_the_script_fails_its_deletes_and_the_script():
    defect = patch.object(RemoteStore, "finish_deletes", side_effect=KeyError("odd"))
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client, defect:
        tags = fill(registry)
        with door(client) as (executor, outcomes):
            for tag in tags:
                executor.begin(DeleteTag(Reference.parse(f"{registry.host}/{APP}:{tag}")))
            with pytest.raises(InternalError, match="internal error: KeyError: 'odd'"):
                executor.settle()
        assert [outcome.status for outcome in outcomes.all] == ["failed"] * len(tags)


def test_a_defect_keeps_no_other_delete_from_its_end():
    behind, finished = Behind(), []

    def breaks(_deletes):
        raise KeyError("odd")

    for name, finish in (("odd", breaks), ("app", finished.extend)):
        place = Reference.parse(f"registry.example.org/team/{name}:v1")
        begun = Begun(DeleteTag(place), target=None, evidence=None)
        behind.put(place.without_name, begun, finish, lambda: None)
    with pytest.raises(KeyError, match="odd"):
        behind.close()
    assert len(finished) == 1
