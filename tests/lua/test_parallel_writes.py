"""``parallel.map`` on a registry: requests overlap, and every law of the door holds."""

import json
import re
import signal
import threading

import pytest
from support.applying import APP, bot_in
from support.images import make_image, make_index
from support.registry import DELETE_OFF, DISTRIBUTION_2, DISTRIBUTION_3
from support.scripts import run_script_text

from regbot.lua.api.context import Seen
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag

DELETE = """
local old = {}
for _, name in ipairs(tag.ls(app)) do
  if name:match("^old") then old[#old + 1] = name end
end
parallel.map(old, function(name)
  log("away with " .. name)
  tag.delete(app .. ":" .. name)
end)
"""


@pytest.mark.parametrize("requests", ["/manifests/old", "/blobs/"])
def test_reads_of_an_image_config_overlap(tmp_path, requests):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=24, new=0)
        meeting = threading.Barrier(8, timeout=20)
        bot.registry.before("GET", requests, meeting.wait, times=24)
        bot.configure("""
            local names = tag.ls(app)
            local numbers = parallel.map(names, function(name)
              return image.config(app .. ":" .. name).Config.Labels.n
            end, {workers = 8})
            for position, name in ipairs(names) do assert(name == "old" .. numbers[position]) end
        """)
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        assert len(bot.registry.asked("GET", requests)) == 24


@pytest.mark.parametrize("quirks", [DISTRIBUTION_2, DISTRIBUTION_3], ids=["2.8", "3"])
def test_deletes_take_the_tags_that_were_asked_and_an_undo_brings_them_back(tmp_path, quirks):
    with bot_in(tmp_path, quirks) as bot:
        bot.fill(old=12, new=2)
        for tag in ("old-twin", "new-twin"):
            bot.registry.put_image(APP, tag, created="2020-01-01T00:00:00Z", labels={"n": "0"})
        before = dict(bot.registry.tags(APP))
        assert before["old-twin"] == before["new-twin"] == before["old0"]
        bot.configure(DELETE)
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        after = bot.registry.tags(APP)
        assert after == {tag: at for tag, at in before.items() if not tag.startswith("old")}
        ((run, actions),) = bot.journalled().items()
        assert sorted(action.reference.tag for action in actions) == sorted(before.keys() - after)
        assert {action.status for action in actions} == {"done"}
        assert all(action.reason == f"away with {action.reference.tag}" for action in actions)
        assert bot.run("undo", run).returncode == 0
        assert bot.registry.tags(APP) == before


@pytest.mark.parametrize(
    "quirks", [DELETE_OFF, DISTRIBUTION_2, DISTRIBUTION_3], ids=["off", "2.8", "3"]
)
def test_a_refused_delete_leaves_the_tag_and_names_the_item(tmp_path, quirks):
    with bot_in(tmp_path, quirks) as bot:
        bot.fill(old=8, new=0)
        before = dict(bot.registry.tags(APP))
        if quirks != DELETE_OFF:
            bot.registry.break_next(method="DELETE", status=403, code="DENIED", times=1000)
        bot.configure("""
            local names = tag.ls(app)
            local refused = parallel.map(names, function(name)
              return not pcall(tag.delete, app .. ":" .. name)
            end)
            for position = 1, #names do assert(refused[position], names[position]) end
            parallel.map(names, function(name) tag.delete(app .. ":" .. name) end)
        """)
        done = bot.run("once")
        assert done.returncode == 1
        assert re.search(r"clean:\d+: parallel\.map: item 1: clean:\d+: tag\.delete: ", done.stderr)
        assert {tag: bot.registry.tags(APP)[tag] for tag in before} == before


def test_a_dry_run_tells_what_a_live_run_does(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=9, new=2)
        bot.configure(
            DELETE
            + """
            image.copy(app .. ":new0", app .. ":kept")
            parallel.map({"new0", "new1"}, function(name)
              image.copy(app .. ":" .. name, app .. "-copy:" .. name)
            end)
            log("left: " .. table.concat(tag.ls(app), " "))
            log("copied: " .. table.concat(tag.ls(app .. "-copy"), " "))
            """
        )
        before = dict(bot.registry.tags(APP))

        def told(done):
            assert done.returncode == 0, done.stderr
            return re.findall(r"(?:left|copied): [\w ]+", done.stderr)

        dry = told(bot.run("once", "--dry-run"))
        assert bot.wrote() == []
        assert bot.registry.tags(APP) == before
        assert dry == ["left: kept new0 new1", "copied: new0 new1"]
        plan = bot.make_plan()
        assert told(bot.run("once")) == dry
        ((_, done),) = bot.journalled().items()
        planned = sorted((each["action"], each["reference"]) for each in plan["actions"])
        assert sorted((each.verb, str(each.reference)) for each in done) == planned


def test_a_guard_counts_the_tags_that_were_there_before_any_delete(tmp_path):
    """Ten of twenty tags are half of them, however many are deleted before it is asked."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=10, new=10)
        bot.configure(DELETE, guard={"maxDeletePercent": 50, "keepAtLeast": 10})
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        assert len(bot.registry.tags(APP)) == 10


def test_a_body_s_delete_rests_on_what_that_body_saw(tmp_path):
    """Another body looks at the tag after it was moved; the first decided on the old image."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        digests = bot.fill(old=1, new=1)
        bot.registry.before(
            "HEAD",
            "/manifests/go-on",
            lambda: bot.registry.content.repository(APP).tags.update(old0=digests["new0"]),
        )
        bot.configure("""
            local seen, moved
            parallel.map({"first", "second"}, function(name)
              if name == "first" then
                manifest.head(app .. ":old0")
                seen = true
                while not moved do manifest.exists(app .. ":wait") end
                tag.delete(app .. ":old0")
              else
                while not seen do manifest.exists(app .. ":wait") end
                manifest.exists(app .. ":go-on")
                manifest.head(app .. ":old0")
                moved = true
              end
            end)
        """)
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        assert "moved since the script looked" in done.stdout + done.stderr
        assert bot.registry.tags(APP)["old0"] == digests["new0"]


def test_what_bodies_saw_is_known_after_them():
    repository = Reference.parse("example.org/app")
    first, second = (Digest.of(text) for text in (b"first", b"second"))
    tag = repository.with_tag(Tag("a"))
    script = Seen()
    one, other = Seen(script), Seen(script)
    inner = Seen(one)
    inner.digest(tag, first)
    other.digest(tag, second)
    inner.tags(repository, [Tag("listed")])
    assert (inner.digest_of(tag), one.digest_of(tag)) == (first, first)
    assert (other.digest_of(tag), script.digest_of(tag)) == (second, second)
    assert other.was_listed(repository.with_tag(Tag("listed")))


def test_the_latest_line_is_that_of_the_body(flavour, tmp_path):
    layout = f"ocidir://{tmp_path}/layout"
    source = """
        log("before all")
        parallel.map({1, 2, 3}, function(n)
          if n > 1 then log("line of " .. n) end
          blob.put(args.repo, "content " .. n)
        end)
        blob.put(args.repo, "after")
    """
    ran = run_script_text(source, flavour=flavour, arguments={"repo": layout})
    assert ran.error is None
    reasons = [outcome.action.reason for outcome in ran.outcomes]
    assert sorted(reasons[:3]) == ["before all", "line of 2", "line of 3"]
    assert reasons[3] == "before all"


def test_removals_at_once_leave_what_a_loop_leaves(tmp_path):
    """Images that share children: whoever goes last takes them, and nothing else goes."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        children = {name: make_image(platform=name) for name in ("linux/amd64", "linux/arm64")}
        for number in range(4):
            index = make_index(children, annotations={"n": str(number)})
            bot.registry.put(APP, f"old{number}", index)
        bot.registry.put_image(APP, "new")
        bot.configure("""
            parallel.map({"old0", "old1", "old2", "old3"}, function(name)
              image.delete(app .. ":" .. name, {children = true})
            end)
        """)
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        assert list(bot.registry.tags(APP)) == ["new"]
        assert list(bot.registry.manifests(APP)) == [bot.registry.tags(APP)["new"]]


def test_a_signal_stops_all_that_is_under_way_and_the_report_has_each(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=12, new=1)
        before = dict(bot.registry.tags(APP))
        meeting, go = threading.Barrier(9, timeout=30), threading.Event()

        def hold():
            meeting.wait()
            go.wait(60)

        bot.registry.before("DELETE", "/manifests/old", hold, times=8)
        bot.configure(DELETE.replace("end)", "end, {workers = 8})"), timeout="60s")
        running = bot.start_logged("once", "--report", "out.json")
        meeting.wait()
        running.send_signal(signal.SIGTERM)
        code = running.wait(30)
        after = dict(bot.registry.tags(APP))
        go.set()
        assert code == 130
        assert after == before
        rows = json.loads((bot.folder / "out.json").read_text())["rows"]
        assert [row["status"] for row in rows] == ["stopped"] * 8
        ((_, actions),) = bot.journalled().items()
        assert [action.status for action in actions] == ["stopped"] * 8
        assert len(bot.registry.asked("DELETE")) == 8
