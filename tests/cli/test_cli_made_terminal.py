"""Commands for registries in a terminal: results on it, and what is shown meanwhile."""

from __future__ import annotations

import pytest
from support.applying import APP, bot_in
from support.paper import in_terminal
from support.registry import DISTRIBUTION_3


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        bot.configure()
        yield bot


def test_results_are_lines_of_the_terminal(bot):
    with in_terminal("tag", "ls", bot.app, "-c", "bot.yml", home=bot.folder, width=200) as running:
        assert running.end().split() == sorted(bot.registry.tags(APP))
    assert running.process.returncode == 0


def test_what_a_copy_does_is_shown_until_its_end(bot):
    bot.registry.break_next("stall", "HEAD", f"/v2/{APP}/manifests/old0", times=1)
    words = ("image", "copy", f"{bot.app}:old0", f"{bot.app}-copy:x")
    with in_terminal(*words, "-c", "bot.yml", home=bot.folder, width=200) as running:
        running.wait_for(r"image copy  copy image ")
        running.process.terminate()
        running.end()
    assert running.process.returncode == 130


def test_a_delete_ends_with_the_way_back(bot):
    words = ("tag", "rm", f"{bot.app}:old0")
    with in_terminal(*words, "-c", "bot.yml", home=bot.folder, width=200) as running:
        text = running.end()
    assert text.startswith("deleted 1 tag in 1 repository in ")
    assert "; undo with: regbot undo " in text


def test_an_archive_is_nothing_for_a_terminal(bot):
    words = ("image", "export", f"{bot.app}:old0", "-c", "bot.yml")
    with in_terminal(*words, home=bot.folder, width=200) as running:
        text = running.end()
    assert "an archive is nothing for a terminal" in text
    assert running.process.returncode == 2
