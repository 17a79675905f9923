"""What passes the one door to writes: how often a delete looks, and what stays as it was."""

from __future__ import annotations

import pytest
from support.applying import APP, bot_in
from support.registry import DISTRIBUTION_3

RETAG = 'image.copy(app .. ":new0", app .. ":old0")'
PUT = 'manifest.put(manifest.get(app .. ":new0"), app .. ":old0")'


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=2, new=2)
        yield bot


def test_a_delete_by_name_looks_once_and_once_more_after_it_saved(tmp_path):
    """PITFALLS: there is no conditional delete, so a HEAD comes just before it."""
    with bot_in(tmp_path, DISTRIBUTION_3, auth="") as bot:
        digest = bot.fill(old=1, new=1)["old0"]
        bot.configure('tag.delete(app .. ":old0")')
        bot.registry.forget()
        assert bot.run("once").returncode == 0
        asked = [
            (entry.method, entry.path.partition("/manifests/")[2])
            for entry in bot.registry.requests
            if entry.path.endswith(("/manifests/old0", digest)) and "/referrers/" not in entry.path
        ]
        assert asked == [("GET", "old0"), ("HEAD", "old0"), ("DELETE", "old0"), ("HEAD", "old0")]


@pytest.mark.parametrize("script", [RETAG, PUT])
@pytest.mark.parametrize("command", ["once", "plan"])
def test_a_protected_tag_is_not_put_on_something_else(bot, script, command):
    before = bot.registry.tags(APP)
    bot.configure('tag.delete(app .. ":old1")\n' + script, guard={"protect": ["old0"]})
    done = bot.run(command)
    assert done.returncode == 1
    assert f"protect old0: {bot.app}:old0 is protected and would move" in done.stderr
    assert bot.wrote() == []
    assert bot.registry.tags(APP) == before


def test_a_plan_made_before_a_tag_was_protected_leaves_it(bot):
    before = bot.registry.tags(APP)
    bot.configure(RETAG)
    bot.make_plan()
    bot.configure(RETAG, guard={"protect": ["old*"]})
    done = bot.apply()
    assert done.returncode == 1
    assert "protect old*: " in done.stderr
    assert bot.registry.tags(APP) == before


def test_a_protected_tag_may_be_made_and_put_again(bot):
    script = 'image.copy(app .. ":new0", app .. ":kept") image.copy(app .. ":new0", app .. ":kept")'
    bot.configure(script, guard={"protect": ["kept"]})
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert bot.registry.tags(APP)["kept"] == bot.registry.tags(APP)["new0"]


def test_a_copy_that_finds_everything_there_is_unchanged(bot):
    bot.configure('image.copy(app .. ":new0", app .. "-copy:new0")')
    assert bot.run("once").returncode == 0
    (done,) = bot.journalled().values()
    assert [action.verb for action in done] == ["copy image"]
    again = bot.run("once")
    assert again.returncode == 0
    assert "unchanged" in again.stdout + again.stderr
    assert len(bot.journalled()) == 1, "a run that changed nothing is not in the history"
    assert bot.make_plan()["actions"] == []


def test_the_names_of_loopback_are_one_registry(bot):
    """By two names, 1 of 4 tags each is 2 of 4 tags of the same repository."""
    port = bot.registry.host.rpartition(":")[2]
    script = f"""
    tag.delete("127.0.0.1:{port}/{APP}:old0")
    tag.delete("localhost:{port}/{APP}:old1")
    """
    before = bot.registry.tags(APP)
    bot.configure_all({"clean": {"script": script, "guard": {"maxDeletePercent": 40}}})
    text = (bot.folder / "bot.yml").read_text()
    entry = f'{{"registry": "{bot.registry.host}", "tls": "disabled"}}'
    both = ", ".join(
        entry.replace(bot.registry.host, f"{name}:{port}") for name in ("127.0.0.1", "localhost")
    )
    (bot.folder / "bot.yml").write_text(text.replace(entry, both))
    done = bot.run("once")
    assert done.returncode == 1
    assert "2 of 4 tags" in done.stderr
    assert bot.registry.tags(APP) == before
