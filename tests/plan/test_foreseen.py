"""Deletes of a dry run, whose tags are looked at behind the script."""

from __future__ import annotations

import threading

import pytest
from support.applying import APP, OLD, bot_in
from support.registry import DISTRIBUTION_3

TAGS = 40


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=TAGS, new=2)
        bot.configure()
        bot.registry.forget()
        yield bot


def is_together(bot):
    """A list that gets True once one look waited until another one came."""
    came, together = threading.Event(), []
    looks = r"/manifests/old(?!0$)"
    bot.registry.before("", looks, came.set)
    bot.registry.before("", "/manifests/old0$", lambda: together.append(came.wait(60)))
    return together


@pytest.mark.parametrize("command", ["plan", "once"])
def test_tags_are_looked_at_at_the_same_time(bot, command):
    together = is_together(bot)
    if command == "once":
        bot.configure(guard={"maxDeletes": 50})
    done = bot.run(command, *(["-o", "plan.json"] if command == "plan" else []))
    assert done.returncode == 0, done.stderr
    assert together == [True]
    left = {"new0", "new1"} if command == "once" else {"new0", "new1", *list_of(TAGS)}
    assert set(bot.registry.tags(APP)) == left


def test_no_look_waits_until_the_tags_are_counted(bot):
    configs, together = threading.Semaphore(0), []
    bot.registry.before("", "/blobs/", configs.release, times=TAGS)

    def wait():
        together.extend(configs.acquire(timeout=60) for _ in range(TAGS))

    bot.registry.before("", "/tags/list", wait, after=1)  # the first list is the script's
    assert len(bot.make_plan()["actions"]) == TAGS
    assert together == [True] * TAGS


def list_of(count):
    return [f"old{number}" for number in range(count)]


def test_a_plan_is_in_the_order_of_the_script(bot):
    actions = bot.make_plan()["actions"]
    assert [action["reference"].rpartition(":")[2] for action in actions] == sorted(list_of(TAGS))
    assert {action["digest"] for action in actions} <= set(bot.registry.tags(APP).values())
    assert {action["created"][:4] for action in actions} == {OLD[:4]}


def test_the_script_sees_its_tags_gone_at_once(bot):
    bot.configure("""
    local before = #tag.ls(app)
    tag.delete(app .. ":old1")
    print(before - #tag.ls(app), pcall(manifest.head, app .. ":old1"))
    """)
    assert bot.run("once", "--dry-run").stdout.startswith("1\tfalse")


def test_a_look_that_fails_fails_the_run_and_nothing_is_deleted(bot):
    bot.registry.break_next("status", "", "/manifests/old7$", status=403, code="DENIED", times=100)
    bot.configure(guard={"maxDeletes": 50})
    done = bot.run("once")
    assert done.returncode == 1
    assert "old7" in done.stderr
    assert bot.wrote() == []


@pytest.mark.parametrize(("guard", "reads"), [({"maxDeletes": 50}, 0), ({"minAge": "1h"}, TAGS)])
def test_a_guard_reads_of_images_what_it_needs(bot, guard, reads):
    bot.configure(guard=guard)
    assert bot.run("once").returncode == 0
    assert len(bot.registry.asked("GET", "/blobs/")) == reads


def test_a_tag_that_is_put_and_deleted_in_a_plan_is_looked_at_at_once(bot):
    bot.configure("""
    tag.ls(app)
    image.copy(app .. ":new0", app .. ":old1")
    tag.delete(app .. ":old1")
    """)
    copy, delete = bot.make_plan()["actions"]
    assert (copy["action"], delete["action"]) == ("copy image", "delete tag")
    assert delete["digest"] == bot.registry.tags(APP)["new0"]
