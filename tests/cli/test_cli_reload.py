"""A server whose config changes: SIGHUP, --watch, and configs that are refused."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from support.command import REGBOT, environment, regbot


class Server:
    """A server in a process of its own, and the lines of its log."""

    def __init__(self, folder: Path, *arguments: str, **streams) -> None:
        self.path = folder / "bot.yml"
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
        self.process = subprocess.Popen(
            [REGBOT, "server", "-c", "bot.yml", *arguments],
            stderr=subprocess.PIPE,
            env=environment(folder, SECRET="long enough to be a token"),
            cwd=folder,
            text=True,
            **streams,
        )
        self._lines: list[str] = []
        self._told = threading.Condition()
        self._read = 0
        self._reader = threading.Thread(target=self._hear)
        self._reader.start()

    def _hear(self):
        for line in self.process.stderr:
            with self._told:
                self._lines.append(line)
                self._told.notify_all()

    def until(self, *words: str) -> str:
        """Wait for a line that has all these words, after the one that was found last."""

        def found():
            for number, line in enumerate(self._lines[self._read :], self._read + 1):
                if all(word in line for word in words):
                    self._read = number
                    return line
            return None

        with self._told:
            line = self._told.wait_for(found, 60)
        assert line, f"{words} was never logged: {''.join(self._lines)}"
        return line

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def end(self):
        self.process.terminate()
        code = self.process.wait(60)
        self._reader.join()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stderr.close()


def config(*scripts, **more):
    listed = [{"script": "log('on')", "interval": "1h", **script} for script in scripts]
    return json.dumps({"defaults": {"state": "state", **more}, "scripts": listed})


@pytest.fixture
def start(tmp_path):
    begun = []

    def start(*arguments, **streams):
        begun.append(Server(tmp_path, *arguments, **streams))
        return begun[-1]

    yield start
    for server in begun:
        server.kill()


def test_a_hangup_has_the_config_read_again(start, tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(config({"name": "a", "interval": "1s"}, {"name": "b"}))
    server = start()
    server.until("script finished", "script=a")
    path.write_text(config({"name": "c", "interval": "1s"}, {"name": "b"}))
    server.hang_up()
    server.until("config reloaded", "scripts=2")
    server.until("scheduled", "script=c")
    server.until("script finished", "script=c")
    assert server.end() == 0


def test_a_config_with_mistakes_is_refused_with_all_of_them(start, tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(config({"name": "a", "interval": "1s"}))
    server = start()
    server.until("script finished")
    path.write_text(config({"name": "a", "script": "if then", "intervall": "1s"}))
    server.hang_up()
    server.until("level=ERROR", "new config refused: bot.yml:1:", "intervall")
    server.until("script finished", "script=a")
    path.write_text(config({"name": "a", "script": "if then"}))
    server.hang_up()
    server.until("new config refused: bot.yml:1:", "unexpected symbol near 'then'")
    path.write_text(config({"name": "a", "interval": None}))
    server.hang_up()
    server.until("new config refused: ", "has neither schedule nor interval")
    path.write_text(config({"name": "a"}, state="elsewhere"))
    server.hang_up()
    server.until("new config refused: ", "state names another place")
    path.unlink()
    server.hang_up()
    server.until("new config refused: ", "there is no such file")
    server.until("script finished", "script=a")
    assert not (tmp_path / "elsewhere").exists()
    assert server.end() == 0


def test_a_reload_can_bring_no_other_scripts_than_those_of_only(start, tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(config({"name": "a"}, {"name": "b"}))
    server = start("--only", "a")
    server.until("scheduled", "script=a")
    path.write_text(config({"name": "a", "interval": "1s"}, {"name": "b", "interval": "1s"}))
    server.hang_up()
    server.until("config reloaded", "scripts=1")
    server.until("script finished", "script=a")
    path.write_text(config({"name": "b"}))
    server.hang_up()
    server.until("new config refused: --only a: no script has this name")
    assert server.end() == 0


def test_a_config_of_standard_input_cant_be_read_again(start, tmp_path):
    with (tmp_path / "input").open("w+") as stream:
        stream.write(config({"name": "a", "interval": "1s"}))
        stream.seek(0)
        server = start("-c", "-", stdin=stream)
    server.until("script finished")
    server.hang_up()
    server.until("new config refused: standard input can't be read again")
    server.until("script finished")
    refused = regbot("server", "-c", "-", "--watch", home=tmp_path, stdin="{}")
    assert (refused.returncode, refused.stderr) == (
        2, "--watch needs a file: standard input can't be read again\n",
    )  # fmt: skip


def test_with_watch_a_change_of_the_config_or_of_a_file_it_names_is_enough(start, tmp_path):
    path, lua, secret = (tmp_path / name for name in ("bot.yml", "a.lua", "secret"))
    lua.write_text("log('first')")
    secret.write_text("first")
    named = {"name": "a", "script": None, "file": "a.lua", "interval": "1s"}
    creds = [{"registry": "registry.example.org", "user": "u", "pass": '{{file "secret"}}'}]
    path.write_text(json.dumps({**json.loads(config(named)), "creds": creds}))
    server = start("--watch")
    server.until("msg=first")
    lua.write_text("log('second')")
    server.until("config reloaded")
    server.until("msg=second")
    secret.write_text("second")
    server.until("config reloaded")
    path.write_text(config({"name": "b", "interval": "1s"}))
    server.until("config reloaded")
    server.until("script finished", "script=b")
    assert server.end() == 0


def test_what_a_refused_config_names_is_watched_as_well(start, tmp_path):
    path, lua = tmp_path / "bot.yml", tmp_path / "new.lua"
    path.write_text(config({"name": "a", "interval": "1s"}))
    server = start("--watch")
    server.until("script finished", "script=a")
    path.write_text(config({"name": "b", "script": None, "file": "new.lua", "interval": "1s"}))
    server.until("new config refused: ", "new.lua")
    lua.write_text("if then")
    server.until("new config refused: ", "unexpected symbol near 'then'")
    lua.write_text("log('better')")
    server.until("config reloaded")
    server.until("msg=better")
    assert server.end() == 0


def test_watch_sees_a_config_map_that_is_swapped(start, tmp_path):
    def version(name, text):
        (tmp_path / name).mkdir()
        script = {"name": "a", "script": None, "file": "a.lua", "interval": "1s"}
        (tmp_path / name / "bot.yml").write_text(config(script))
        (tmp_path / name / "a.lua").write_text(text)
        (tmp_path / "..tmp").symlink_to(name)
        (tmp_path / "..tmp").rename(tmp_path / "..data")

    version("..1", "log('first')")
    for name in ("bot.yml", "a.lua"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    server = start("--watch")
    server.until("msg=first")
    version("..2", "log('other')")
    server.until("config reloaded")
    server.until("msg=other")
    assert server.end() == 0


def test_without_watch_nothing_is_read_again(start, tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(config({"name": "a", "interval": "1s", "script": "log('first')"}))
    server = start()
    server.until("msg=first")
    path.write_text("no config at all")
    for _ in range(4):
        server.until("msg=first")
    assert server.end() == 0


def test_a_hangup_stops_a_server_whose_terminal_is_gone(start, tmp_path):
    (tmp_path / "bot.yml").write_text(config({"name": "a"}))
    master, terminal = pty.openpty()
    server = start(stdin=terminal)
    os.close(terminal)
    server.until("scheduled")
    server.hang_up()
    server.until("config reloaded")
    os.close(master)
    server.hang_up()
    server.until("stopping")
    assert server.process.wait(60) == 0


def test_a_run_goes_on_with_its_connections_until_it_has_ended(start, tmp_path):
    path = tmp_path / "bot.yml"
    gate = tmp_path / "gate"
    waiting = "log('begun') while not pcall(tag.ls, 'ocidir://gate') do end log('ended')"
    path.write_text(config({"name": "a", "interval": "1s", "script": waiting}))
    server = start()
    server.until("msg=begun")
    path.write_text(config({"name": "b", "interval": "1s"}))
    server.hang_up()
    server.until("config reloaded")
    gate.mkdir()
    (gate / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (gate / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    server.until("msg=ended", "script=a")
    server.until("script finished", "script=b")
    assert server.end() == 0
