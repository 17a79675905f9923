"""Modules of a config whose state machines share: read with it, and a part of what they compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from regbot.config.load import load_config
from regbot.config.values import Config
from regbot.events import Event, Message, plain
from regbot.lua import modules
from regbot.run.bot import Options, assemble

DATABASE = "defaults: {state: 'postgresql://db.example.org/regbot', luaPath: [lib, more]}\n"
REQUIRES = "scripts: [{name: clean, script: 'log(require(\"rules.old\"))'}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("lib/rules", "more/rules"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lib/rules/old.lua").write_text("return 'of lib'")
    (tmp_path / "more/rules/old.lua").write_text("return 'of more'")
    (tmp_path / "more/other.lua").write_text("return 1")
    return tmp_path


def load(folder: Path, text: str = DATABASE + REQUIRES) -> Config:
    return load_config(text, filename="bot.yml", environ={}, base=folder)


def logged(config: Config) -> list[str]:
    """What the script of a config logs in a dry run."""
    events: list[Event] = []
    with assemble(config, Options(dry_run=True), "bot.yml", plain(events.append)) as bot:
        assert bot.run_once().status == "done"
    texts = [each.text for each in events if isinstance(each, Message)]
    return [text for text in texts if text in ("of lib", "changed since", "read late")]


@pytest.mark.parametrize("file", ["lib/rules/old.lua", "more/other.lua"])
def test_machines_with_other_modules_have_another_config(folder, file):
    before = load(folder)
    assert load(folder).fingerprint == before.fingerprint
    (folder / file).write_text("return 'something else'")
    assert load(folder).fingerprint != before.fingerprint


def test_what_no_script_can_require_is_not_compared(folder):
    before = load(folder)
    (folder / "more/rules/old.lua").write_text("return 'hidden by that of lib'")
    (folder / "lib/notes.txt").write_text("no module")
    (folder / "lib/a.b.lua").write_text("of no possible name")
    (folder / "lib/.git").mkdir()
    (folder / "lib/.git/hook.lua").write_text("of no possible name")
    (folder / "elsewhere.lua").write_text("beside the folders")
    (folder / "lib/out.lua").symlink_to(folder / "elsewhere.lua")
    assert load(folder).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        REQUIRES + "defaults: {luaPath: [lib]}",
        DATABASE + "scripts: [{name: clean, script: 'return 1'}]",
    ],
    ids=["in a folder", "without require"],
)
def test_where_nobody_has_to_agree_on_them_they_are_not_read(folder, text):
    before = load(folder, text)
    (folder / "lib/rules/old.lua").write_text("return 'something else'")
    assert load(folder, text).fingerprint == before.fingerprint


def test_a_script_gets_the_modules_that_were_compared(folder):
    config = load(folder)
    (folder / "lib/rules/old.lua").write_text("return 'changed since'")
    assert logged(config) == ["of lib"]
    assert logged(load(folder)) == ["changed since"]
    assert folder / "lib/rules/old.lua" in config.files, "a server watches them"


@pytest.mark.parametrize("limit", ["MOST", "MOST_MEBIBYTES", "MOST_ENTRIES"])
def test_too_many_are_not_compared_which_is_warned_of(folder, limit, monkeypatch):
    monkeypatch.setattr(modules, limit, 0)
    config = load(folder)
    (warning,) = config.warnings
    assert warning.startswith("bot.yml:1:66: there are more than ")
    assert warning.endswith("(have luaPath name a folder with modules alone)")
    (folder / "lib/rules/old.lua").write_text("return 'read late'")
    assert logged(config) == ["read late"]
    assert load(folder).fingerprint == config.fingerprint


def test_a_module_that_leads_out_gives_way_to_no_other(folder):
    inside = folder / "lib/rules/old.lua"
    inside.rename(folder / "elsewhere.lua")
    inside.symlink_to(folder / "elsewhere.lua")
    assert modules.read_modules([folder / "lib", folder / "more"]).sources.keys() == {"other"}
