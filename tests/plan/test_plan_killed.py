"""``kill -9`` at any moment of ``regbot apply``: nothing is lost, and it can be finished."""

from __future__ import annotations

import random
import threading
from urllib.parse import unquote

import pytest
from support.applying import APP, Bot, bot_in, index_of
from support.clients import Client
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3
from support.undoing import door_to

from regbot.journal.opening import open_journal
from regbot.journal.undo import undo
from regbot.stopping import Stop
from regbot.store.opener import OpenStores

TAGS = 60
KILLS = 10
BY_TAG = """
for _, name in ipairs(tag.ls(app)) do
  if name:match("^old") then tag.delete(app .. ":" .. name) end
end
"""
IN_EVERY_WAY = """
for _, name in ipairs(tag.ls(app)) do
  local number = tonumber(name:match("^old(%d+)$"))
  if number and number % 3 == 0 then tag.delete(app .. ":" .. name)
  elseif number and number % 3 == 1 then manifest.getList(app .. ":" .. name):delete()
  elseif number then image.delete(app .. ":" .. name, {children = true, referrers = true}) end
end
"""


def fill(bot: Bot) -> dict[str, str]:
    """Each third old tag is an index that has its first child in common with ``kept``."""
    shared = index_of("linux/amd64")
    for number in range(TAGS):
        if number % 3 == 2:
            own = index_of("linux/arm64", labels={"n": str(number)})
            bot.registry.put_index(APP, f"old{number}", {**shared, **own})
        else:
            bot.registry.put_image(APP, f"old{number}", labels={"n": str(number)})
    bot.registry.put_index(APP, "kept", shared)
    bot.registry.tag(APP, "kept-too", bot.registry.tags(APP)["old3"])
    return dict(bot.registry.tags(APP))


def apply_until(bot: Bot, request: int, after: float) -> int:
    """Apply, and kill it so many seconds after a request of it came; how it ended."""
    process = bot.start("apply", "plan.json")
    kill = threading.Timer(after, process.kill) if after else None
    bot.registry.before("", "", kill.start if kill else process.kill, after=request)
    code = process.wait(60)
    if kill and kill.is_alive():
        kill.cancel()
    return code


def assert_noted(bot: Bot, before: dict[str, str]) -> None:
    """What is gone, or was asked to go, is in the journal with what it was."""
    noted = [action for actions in bot.journalled().values() for action in actions]
    kept = {str(saved.digest) for action in noted for saved in action.manifests}
    tags = {(tag, str(action.digest)) for action in noted for tag in action.tags}
    now = bot.registry.tags(APP)
    for tag, digest in before.items():
        if now.get(tag) != digest:
            assert (tag, digest) in tags
            assert digest in kept
    asked = {unquote(sent.path).rpartition("/")[2] for sent in bot.registry.asked("DELETE")}
    by_tag = {name for name in asked if ":" not in name}
    assert by_tag <= {tag for tag, _ in tags}
    assert {name for name in asked if name in before.values()} <= kept


@pytest.mark.parametrize(
    ("quirks", "script", "seed"),
    [
        pytest.param(DISTRIBUTION_3, BY_TAG, 1, id="tags deleted by name"),
        pytest.param(DISTRIBUTION_2, BY_TAG, 2, id="tags deleted by a placeholder"),
        pytest.param(DISTRIBUTION_3, IN_EVERY_WAY, 3, id="digests and indexes too"),
    ],
)
def test_killed_at_random_moments(tmp_path, quirks, script, seed):
    chance = random.Random(seed)
    with bot_in(tmp_path, quirks) as bot:
        before = fill(bot)
        manifests = set(bot.registry.manifests(APP))
        bot.configure(script)
        assert len(bot.make_plan()["actions"]) >= TAGS
        bot.registry.forget()
        killed = 0
        for number in range(KILLS):
            moment = chance.randrange(1, 60) if number else 0
            code = apply_until(bot, moment, chance.choice((0, 0, chance.random() / 50)))
            killed += code == -9
            assert_noted(bot, before)
        done = bot.apply()
        assert (done.returncode, done.stderr.count("level=warn")) == (0, 0), done.stderr
        assert killed >= KILLS // 2
        assert set(bot.registry.tags(APP)) == {"kept", "kept-too"}
        assert_noted(bot, before)
        with Client(bot.registry.host) as client, open_journal(bot.state) as journal:
            stores = OpenStores(client.exchange)
            for run in [run for run in journal.runs() if run.kind == "apply"]:
                found = undo(journal, run.id, door_to(stores, Stop()), stop=Stop())
                statuses = {undone.status for undone in found}
                assert statuses <= {"restored", "unchanged"}
        assert bot.registry.tags(APP) == before
        assert manifests <= set(bot.registry.manifests(APP))


@pytest.mark.parametrize("applied_again", [True, False])
def test_a_tag_left_on_a_small_manifest_is_known_again(tmp_path, applied_again):
    with bot_in(tmp_path, DISTRIBUTION_2) as bot:
        before = bot.fill(old=2)
        bot.configure()
        bot.make_plan()
        process = bot.start("apply", "plan.json")
        bot.registry.before("PUT", "/manifests/old0", process.kill)
        assert process.wait(60) == -9
        assert bot.registry.tags(APP)["old0"] not in before.values()
        if applied_again:
            assert bot.apply().returncode == 0
            assert set(bot.registry.tags(APP)) == {"new0", "new1"}
        for run in reversed(bot.journalled()):
            assert bot.run("undo", run).returncode == 0
        assert bot.registry.tags(APP) == before
