"""server --listen: where it listens, and what it says where it can't."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import requests
from support.command import environment, log_until, regbot, servers


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bot.yml"
    script = {"name": "a", "script": "log('it ran')", "interval": "1s"}
    path.write_text(json.dumps({"defaults": {"state": "state"}, "scripts": [script]}))
    return str(path)


@pytest.fixture
def start(config, tmp_path):
    with servers(tmp_path) as start:
        yield partial(start, config)


def test_a_server_answers_while_its_scripts_run_and_ends_on_sigterm(start):
    server = start("--listen", "127.0.0.1:0")
    (url,) = re.findall(r"msg=listening url=(\S+)", log_until(server, "listening")[-1])
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", url)
    log_until(server, "it ran")
    assert requests.get(f"{url}/healthz", timeout=30).text == "ok\n"
    log_until(server, "it ran")
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0


def listening_ports(pid):
    """The inodes of a process's sockets that listen, by what the kernel says."""
    links = [link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()]
    mine = {link[8:-1] for link in links if link.startswith("socket:[")}
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening.add(fields[9])
    return sorted(mine & listening)


def test_without_the_option_no_port_is_open(start):
    server = start()
    assert not [line for line in log_until(server, "it ran") if "listening" in line]
    assert listening_ports(server.pid) == []


@pytest.mark.parametrize("address", ["8080", ":8080", "localhost:http", "http://localhost:80"])
def test_a_wrong_address_is_one_line(config, tmp_path, address):
    done = regbot("server", "-c", config, "--listen", address, home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"--listen {address}: write it as HOST:PORT, such as 127.0.0.1:8080"
        " (0.0.0.0 as host is every address of this machine)\n"
    )


def test_a_port_in_use_is_one_line(config, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = regbot("server", "-c", config, "--listen", address, home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"--listen {address}: another program listens there (is a server running already?)"
    )


def test_without_the_extra_it_says_what_to_install(config, tmp_path):
    program = (
        "import sys, importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'waitress' else real(name, *more)\n"
        "from regbot.cli.main import main\n"
        "sys.argv = ['regbot', *sys.argv[1:]]\n"
        "main()\n"
    )
    command = ["server", "-c", config, "--listen", "127.0.0.1:0"]
    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
    )
    assert done.returncode == 2
    assert done.stderr == (
        "--listen needs packages that are not installed (pip install '.[server]')\n"
    )


def test_without_the_option_its_packages_are_not_imported():
    program = "import regbot.cli.scripts, regbot.run.service, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert {"bottle", "waitress", "prometheus_client"}.isdisjoint(done.stdout.split())
    assert "regbot.run.service" in done.stdout
