"""Commands for registries in a terminal: results on it, and what is shown meanwhile."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.applying import APP, bot_in
from support.command import REGBOT, environment, regbot
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


HOSTILE = "red \x1b[31m \x9b31m \u202e"


def test_a_terminal_is_told_nothing_by_a_registry(bot):
    bot.registry.put_image(APP, "hostile", labels={"x": HOSTILE})
    digest = bot.registry.tags(APP)["hostile"]
    config = json.loads(bot.registry.manifests(APP)[digest])["config"]["digest"]
    for words in (
        ("image", "config", f"{bot.app}:hostile", "--format", "{{.Config.Labels.x}}"),
        ("blob", "get", bot.app, config),
    ):
        with in_terminal(*words, "-c", "bot.yml", home=bot.folder, width=200) as running:
            text = running.end()
        assert running.process.returncode == 0
        assert "red" in text
        assert not set("\x1b\x9b\u202e") & set(text)


def test_a_reader_that_never_reads_does_not_keep_a_command(bot, tmp_path):
    """The pipe is full, so the command can't go on; asked to end, it does."""
    content = tmp_path / "content"
    content.write_bytes(bytes(5_000_000))
    config = ("-c", "bot.yml")
    words = ("blob", "put", bot.app, "--file", str(content), *config)
    put = regbot(*words, home=bot.folder, cwd=bot.folder)
    assert put.returncode == 0, put.stderr
    command = [REGBOT, "blob", "get", bot.app, put.stdout.strip(), *config]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=bot.folder, env=environment(bot.folder)
    ) as process:
        assert process.stdout
        assert process.stdout.read(10) == bytes(10)
        process.terminate()
        assert process.wait(30) != 0
