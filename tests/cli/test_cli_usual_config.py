"""The config that is used where none is named."""

import json

import pytest
from support.applying import APP, bot_in
from support.command import last_line, regbot
from support.registry import DISTRIBUTION_3


def write(folder, name, *, says):
    entry = {"name": "a", "script": f"log('{says}')"}
    (folder / name).write_text(json.dumps({"scripts": [entry]}))


def said(done):
    assert done.returncode == 0, done.stderr
    return [word for word in ("yml", "yaml", "variable", "option") if f"msg={word}" in done.stderr]


def test_it_is_the_one_of_the_variable_or_else_in_the_folder(tmp_path):
    write(tmp_path, "regbot.yaml", says="yaml")
    write(tmp_path, "there.yml", says="variable")
    write(tmp_path, "named.yml", says="option")

    def once(*options, **variables):
        return said(regbot(*options, "once", home=tmp_path, cwd=tmp_path, variables=variables))

    assert once() == ["yaml"]
    write(tmp_path, "regbot.yml", says="yml")
    assert once() == ["yml"]
    assert once(REGBOT_CONFIG="") == ["yml"]
    assert once(REGBOT_CONFIG="there.yml") == ["variable"]
    assert once("-c", "named.yml", REGBOT_CONFIG="there.yml") == ["option"]


@pytest.mark.parametrize("command", ["once", "server", "plan", "check", "in-use"])
def test_a_command_that_needs_one_says_what_to_do(tmp_path, command):
    done = regbot(command, home=tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "there is no config: name one with -c FILE or $REGBOT_CONFIG, or have a regbot.yml"
        " in this folder (regbot init writes one)\n"
    )


@pytest.fixture
def bot(tmp_path):
    """Its journal is in a folder of its own, and its config is the usual one of its folder."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        bot.configure()
        (tmp_path / "bot.yml").rename(tmp_path / "regbot.yml")
        yield bot


def here(bot, *arguments):
    done = regbot(*arguments, home=bot.folder, cwd=bot.folder)
    assert done.returncode == 0, done.stderr
    return done


def test_run_history_and_undo_work_with_it(bot):
    done = here(bot, "run", "-e", f"tag.delete('{bot.app}:old0')")
    assert last_line(done.stderr) == "deleted 1 tag in 1 repository"
    (line,) = here(bot, "history").stdout.splitlines()
    run = line.split()[0]
    assert "old0" in here(bot, "history", run).stdout
    assert here(bot, "undo", run).stderr.count("using the run's config") == 0
    assert "old0" in bot.registry.tags(APP)


def test_a_run_of_another_config_is_found_in_the_usual_journal_too(bot):
    config = json.loads((bot.folder / "regbot.yml").read_text())
    del config["defaults"]["state"]
    (bot.folder / "other.yml").write_text(json.dumps(config))
    way = here(bot, "once", "-c", "other.yml").stderr.splitlines()[-1].partition("undo with: ")[2]
    program, *arguments = way.split()
    assert program == "regbot"
    assert "-c" not in arguments
    done = here(bot, *arguments)
    assert f"using the run's config, {bot.folder / 'other.yml'}" in done.stderr
    assert "old0" in bot.registry.tags(APP)
    done = regbot("undo", "-c", "regbot.yml", arguments[1], home=bot.folder, cwd=bot.folder)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"there is no run '{arguments[1]}' in the history; regbot history lists all\n"
    )
