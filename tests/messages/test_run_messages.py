"""What is said when a script is stopped or fails, as the log of the run shows it."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.applying import bot_in
from support.command import REGBOT, environment, regbot
from support.messages import failure_in, steady
from support.receiving import Answer, receiving


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=4, new=1)
        yield bot


def failure(bot, command="once", *arguments):
    done = bot.run(command, *arguments)
    assert done.returncode == 1, done.stderr
    return steady(failure_in(done.stderr), bot.folder)


@pytest.mark.parametrize(
    "guard",
    [
        {"maxDeletes": 3},
        {"maxDeletePercent": 50},
        {"keepAtLeast": 2},
        {"protect": ["old1"]},
        {"minAge": "5000w"},
    ],
    ids=lambda guard: next(iter(guard)),
)
def test_a_guard_stops_a_script(snapshot, bot, guard):
    bot.configure(guard=guard)
    assert re.sub(r"\S+ too young", "30d too young", failure(bot)) == snapshot


def test_what_is_in_use_is_not_known(snapshot, bot):
    bot.configure(inUse={"file": "in-use.txt"})
    assert failure(bot) == snapshot


def test_rules_keep_nothing(snapshot, bot):
    bot.configure()
    config = json.loads((bot.folder / "bot.yml").read_text())
    config["scripts"] = [
        {
            "name": "clean",
            "repositories": [bot.app],
            "retention": {"keep": [{"tags": ["v*"]}]},
        }
    ]
    (bot.folder / "bot.yml").write_text(json.dumps(config))
    assert failure(bot) == snapshot


SCRIPTS = {
    "nil label": 'local label = image.config(app .. ":new0").Config.Labels.expires'
    ' if label < "2024" then tag.delete(app .. ":new0") end',
    "nil in a text": 'log("team " .. image.config(app .. ":new0").Config.Labels.team)',
    "nil indexed": "local x = args.labels.team",
    "no such function": 'tag.lst("registry.example.org/team/app")',
    "bad reference": 'tag.ls("registry.example.org/Team/app")',
    "unknown option": "image.copy(app, app, {digestTag = true})",
    "out of memory": "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "too late": "while true do end",
    "outside workDir": 'image.exportTar(app .. ":new0", "/app.tar")',
    "no module": 'require "nothing"',
    "not Lua": "x = = 1",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_fails(snapshot, bot, script):
    timeout = "1s" if script == "too late" else "30s"
    source = f'local app = "{bot.app}"\n{SCRIPTS[script]}\n'
    lines = "".join(f"      {line}\n" for line in source.splitlines())
    (bot.folder / "bot.yml").write_text(
        f"creds: [{{registry: '{bot.registry.host}', tls: disabled}}]\n"
        f"defaults: {{timeout: {timeout}, memory: 16MiB, workDir: .}}\n"
        f"scripts:\n  - name: clean\n    script: |\n{lines}"
    )
    done = bot.run("once")
    if script == "not Lua":
        assert steady(done.stderr.strip(), bot.folder) == snapshot
    else:
        assert steady(failure_in(done.stderr), bot.folder) == snapshot


@pytest.mark.parametrize(
    "answer", [Answer(404), Answer(302, {"Location": "/"})], ids=["404", "302"]
)
def test_a_receiver_refuses_a_notification(snapshot, bot, answer):
    with receiving(answer) as inbox:
        bot.configure("log('fine')")
        config = json.loads((bot.folder / "bot.yml").read_text())
        config["notify"] = [{"webhook": inbox.url, "when": ["always"]}]
        (bot.folder / "bot.yml").write_text(json.dumps(config))
        done = bot.run("once")
    (text,) = re.findall(r'level=WARN msg="(a notification[^"]*)"', done.stderr)
    assert text == snapshot


def test_a_script_has_no_guard(snapshot, bot):
    script = 'tag.delete("registry.example.org/team/app:old")'
    text = f"scripts:\n  - name: clean\n    script: {script}\n"
    (bot.folder / "bot.yml").write_text(text)
    done = bot.run("check")
    assert steady(done.stderr.strip(), bot.folder) == snapshot


def test_a_protected_tag_is_not_applied(snapshot, bot):
    bot.configure()
    bot.make_plan()
    bot.configure(guard={"protect": ["old1"]})
    done = bot.apply()
    (detail,) = re.findall(r'detail="([^"]*is protected[^"]*)"', done.stderr)
    assert steady(detail, bot.folder) == snapshot


def test_a_full_disk_keeps_a_result_from_being_written(snapshot, bot):
    bot.configure()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [REGBOT, "plan", "-c", "bot.yml"],
            cwd=bot.folder,
            env=environment(bot.folder),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert steady(done.stderr.splitlines()[-1], bot.folder) == snapshot


@pytest.mark.parametrize(
    "arguments",
    [
        ("once", "-c", "none.yml"),
        ("once",),
        ("once", "-c", "bot.yml", "--only", "nope"),
        ("once", "-c", "bot.yml", "--report", "report.txt"),
        ("plan", "-c", "bot.yml", "-o", "none/plan.json"),
        ("apply", "-c", "bot.yml", "other.json"),
        ("undo", "-c", "bot.yml", "2019"),
        ("server", "-c", "bot.yml"),
        ("run",),
    ],
    ids=lambda arguments: " ".join(arguments).replace("/", " "),
)
def test_a_command_is_wrong(snapshot, tmp_path, arguments):
    (tmp_path / "bot.yml").write_text(
        "defaults: {state: state}\nscripts: [{name: clean, script: log(1)}]\n"
    )
    (tmp_path / "other.json").write_text("{}")
    done = regbot(*arguments, home=tmp_path, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert steady(done.stderr.strip().splitlines()[-1], tmp_path) == snapshot
