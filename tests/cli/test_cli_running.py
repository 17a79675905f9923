"""once and server: parallel runs, schedules, skipped runs, signals, exit codes."""

import json
import signal
import socket
import subprocess

import pytest
from support.command import REGBOT, environment, regbot
from support.registry import TestRegistry


def config_file(folder, scripts, **defaults):
    path = folder / "bot.yml"
    path.write_text(json.dumps({"defaults": defaults, "scripts": scripts}))
    return str(path)


class Running:
    """A regbot process whose log lines can be waited for."""

    def __init__(self, home, *arguments):
        self.process = subprocess.Popen(
            [REGBOT, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(home),
            text=True,
        )
        self.lines = []

    def wait_for(self, words):
        for line in self.process.stderr:
            self.lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"{words!r} was never logged: {''.join(self.lines)}")

    def end(self):
        out, err = self.process.communicate(timeout=60)
        self.lines += err.splitlines(keepends=True)
        return self.process.returncode, out


@pytest.fixture
def start(tmp_path):
    begun = []

    def start(*arguments):
        begun.append(Running(tmp_path, *arguments))
        return begun[-1]

    yield start
    for running in begun:
        running.process.kill()
        running.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_130(start, tmp_path, number):
    path = config_file(tmp_path, [{"name": "a", "script": "log('begun') while true do end"}])
    running = start("once", "-c", path)
    running.wait_for("begun")
    running.process.send_signal(number)
    code, _ = running.end()
    assert code == 130
    assert "script stopped" in "".join(running.lines)


def test_a_stopped_dry_run_still_prints_what_it_has(start, tmp_path):
    with TestRegistry() as registry:
        registry.put_image("app", "a")
        script = f"tag.delete('{registry.host}/app:a') log('begun') while true do end"
        path = tmp_path / "bot.yml"
        creds = [{"registry": registry.host, "tls": "disabled"}]
        path.write_text(json.dumps({"creds": creds, "scripts": [{"name": "a", "script": script}]}))
        running = start("once", "-c", str(path), "--dry-run")
        running.wait_for("begun")
        running.process.send_signal(signal.SIGTERM)
        code, out = running.end()
        assert code == 130
        assert f"{registry.host}/app:a" in out
        assert "would delete 1 tag in 1 repository" in out


def test_scripts_that_did_not_begin_do_not_begin_after_a_signal(start, tmp_path):
    scripts = [
        {"name": "a", "script": "log('begun') while true do end"},
        {"name": "b", "script": "log('the second ran')"},
    ]
    running = start("once", "-c", config_file(tmp_path, scripts))
    running.wait_for("begun")
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 130
    assert "the second ran" not in "".join(running.lines)


def test_the_server_runs_on_time_and_ends_on_sigterm(start, tmp_path):
    scripts = [{"name": "a", "script": "log('it ran')", "interval": "1s"}]
    running = start("server", "-c", config_file(tmp_path, scripts))
    running.wait_for("it ran")
    running.wait_for("it ran")
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 0


def test_the_server_skips_a_run_while_the_last_is_going(start, tmp_path):
    scripts = [{"name": "a", "script": "log('begun') while true do end", "interval": "1s"}]
    running = start("server", "-c", config_file(tmp_path, scripts, parallel=4))
    running.wait_for("begun")
    line = running.wait_for("skipped: the last run is still going")
    assert "level=WARN" in line
    assert "script=a" in line
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 0
    assert sum("msg=begun" in line for line in running.lines) == 1


def test_a_failing_script_does_not_end_the_server(start, tmp_path):
    scripts = [{"name": "a", "script": "error('no luck')", "schedule": "@every 1s"}]
    running = start("server", "-c", config_file(tmp_path, scripts))
    running.wait_for("no luck")
    running.wait_for("no luck")
    running.process.send_signal(signal.SIGINT)
    assert running.end()[0] == 0


def test_parallel_scripts_run_at_once(start, tmp_path):
    """Each of the two waits for the other's mark, so one after the other never ends."""
    with TestRegistry() as registry:
        registry.put_image("app", "a")
        registry.put_image("app", "b")
        wait = """
            local repo, own, other = args.repo, args.own, args.other
            tag.delete(repo .. ":" .. own)
            local there = true
            while there do
              there = false
              for _, t in ipairs(tag.ls(repo)) do there = there or t == other end
            end
        """
        names = {"a": "b", "b": "a"}
        scripts = [
            {
                "name": own,
                "script": wait,
                "args": {"repo": f"{registry.host}/app", "own": own, "other": other},
            }
            for own, other in names.items()
        ]
        path = tmp_path / "bot.yml"
        creds = [{"registry": registry.host, "tls": "disabled"}]
        defaults = {"parallel": 2, "timeout": "60s"}
        path.write_text(json.dumps({"creds": creds, "defaults": defaults, "scripts": scripts}))
        assert regbot("once", "-c", str(path), home=tmp_path).returncode == 0


def test_without_parallel_scripts_run_in_order(tmp_path):
    scripts = [{"name": f"s{n}", "script": f"log('number {n}')"} for n in range(4)]
    done = regbot("once", "-c", config_file(tmp_path, scripts, parallel=0), home=tmp_path)
    said = [line for line in done.stderr.splitlines() if 'msg="number' in line]
    assert [line.split('"')[1] for line in said] == [f"number {n}" for n in range(4)]


def test_a_run_waiting_for_a_stalled_registry_ends_at_its_timeout(tmp_path):

    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        path = tmp_path / "bot.yml"
        creds = [{"registry": host, "tls": "disabled"}]
        scripts = [{"name": "a", "script": f"tag.ls('{host}/app')", "timeout": "1s"}]
        path.write_text(json.dumps({"creds": creds, "scripts": scripts}))
        done = regbot("once", "-c", str(path), home=tmp_path)
    assert done.returncode == 1
    assert "ran longer than its timeout of 1s" in done.stderr


def test_a_server_without_a_script_says_so(tmp_path):
    scripts = [{"name": "a", "script": "return", "interval": "1s", "enabled": False}]
    done = regbot("server", "-c", config_file(tmp_path, scripts), home=tmp_path)
    assert done.returncode == 2
    assert "no script is enabled" in done.stderr


def test_each_run_of_a_dry_server_begins_anew(start, tmp_path):
    with TestRegistry() as registry:
        registry.put_image("app", "a")
        script = (
            f"log('tags ' .. #tag.ls('{registry.host}/app')) tag.delete('{registry.host}/app:a')"
        )
        path = tmp_path / "bot.yml"
        creds = [{"registry": registry.host, "tls": "disabled"}]
        scripts = [{"name": "a", "script": script, "interval": "1s"}]
        path.write_text(json.dumps({"creds": creds, "scripts": scripts}))
        running = start("server", "-c", str(path), "--dry-run")
        running.wait_for("tags 1")
        running.wait_for("tags 1")
        running.process.send_signal(signal.SIGTERM)
        assert running.end()[0] == 0
        assert list(registry.tags("app")) == ["a"]
