"""--only: some scripts of a config and no other."""

import json

import pytest
from support.applying import APP, bot_in
from support.command import regbot
from support.registry import DISTRIBUTION_3

CONFIG = {
    "scripts": [
        {"name": "nightly", "script": "log('one')"},
        {"name": "two words", "script": "log('two')", "interval": "1h"},
        {"name": "off", "script": "log('three')", "enabled": False},
    ]
}


@pytest.fixture
def once(tmp_path):
    (tmp_path / "regbot.yml").write_text(json.dumps(CONFIG))
    return lambda *only: regbot("once", *only, home=tmp_path, cwd=tmp_path)


@pytest.mark.parametrize(
    ("only", "ran"),
    [
        ([], ["one", "two"]),
        (["nightly"], ["one"]),
        (["two words", "nightly", "nightly"], ["one", "two"]),
        (["off"], ["three"]),
    ],
)
def test_it_runs_what_is_named_in_the_order_of_the_config(once, only, ran):
    done = once(*(f"--only={name}" for name in only))
    assert done.returncode == 0, done.stderr
    logged = [line for line in done.stderr.splitlines() if "script=" in line]
    assert [
        word for line in logged for word in ("one", "two", "three") if f"={word}" in line
    ] == ran


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nightl", "did you mean nightly?"),
        ("x", "the config has: nightly, two words, off"),
        ("night*", "did you mean nightly?"),
    ],
)
def test_a_name_that_no_script_has_is_a_mistake(once, name, hint):
    done = once("--only", "nightly", "--only", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"--only {name}: no script has this name ({hint})\n"


def test_the_schedules_of_the_others_are_not_asked_for(tmp_path):
    (tmp_path / "regbot.yml").write_text(json.dumps(CONFIG))
    done = regbot("server", "--only", "nightly", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert "nightly" in done.stderr
    assert "two words" not in done.stderr


def test_a_plan_of_one_script_is_applied_with_the_whole_config(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=1)
        scripts = {f"delete {n}": {"script": f"tag.delete(app .. ':old{n}')"} for n in (0, 1)}
        bot.configure_all(scripts)
        bot.make_plan("--only", "delete 1")
        done = bot.apply()
        assert "changed since" not in done.stderr
        assert set(bot.registry.tags(APP)) == {"old0", "new0"}
