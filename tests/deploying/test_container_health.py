"""The health check of the image: asks the server that the container runs."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.command import REGBOT
from support.servers import free_port, running

SCRIPT = Path(__file__).parents[2] / "scripts" / "container_health.py"


@contextmanager
def server(status):
    """A server whose /healthz has a status; gives its port and the paths it is asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield listener.server_address[1], asked
        finally:
            listener.shutdown()
            thread.join()


def is_healthy(folder, *command, **variables):
    """What the image's HEALTHCHECK says while the container runs a command."""
    first = folder / "cmdline"
    first.write_text("\0".join(command) + "\0")
    done = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, first], env=variables, timeout=60, capture_output=True
    )
    assert done.stderr == b""
    return done.returncode == 0


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_server_that_answers_is_healthy(tmp_path, listen):
    with server(200) as (port, asked):
        assert is_healthy(tmp_path, "python", "regbot", "server", "--listen", f"{listen}:{port}")
        assert is_healthy(tmp_path, "init", "--", "regbot", "server", f"--listen={listen}:{port}")
    assert asked == ["/healthz", "/healthz"]


def test_a_server_that_is_not_alive_is_not_healthy(tmp_path):
    with server(503) as (port, _):
        assert not is_healthy(tmp_path, "regbot", "server", "--listen", f"127.0.0.1:{port}")
    assert not is_healthy(tmp_path, "regbot", "server", "--listen", f"127.0.0.1:{port}")


def test_a_proxy_of_the_container_is_not_asked(tmp_path):
    with server(200) as (port, _):
        command = ("regbot", "server", "--listen", f"127.0.0.1:{port}")
        proxy = "http://127.0.0.1:9"
        assert is_healthy(tmp_path, *command, http_proxy=proxy, HTTP_PROXY=proxy)


@pytest.mark.parametrize("command", [("once",), ("server", "-c", "/config/regbot.yml")])
def test_what_opens_no_port_is_healthy_while_it_runs(tmp_path, command):
    assert is_healthy(tmp_path, "regbot", *command)


def test_the_command_of_the_image_is_healthy_until_it_ends(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "regbot.yml"
    config.write_text("scripts: [{name: a, interval: 1h, script: return}]")
    command = ["env", f"HOME={tmp_path}", REGBOT, "server", "-c", str(config), "--listen", address]
    log = tmp_path / "log"
    with running(command, log, lambda: "server started" in log.read_text()) as server:
        of_the_server = Path(f"/proc/{server.pid}/cmdline").read_text().rstrip("\0").split("\0")
        assert is_healthy(tmp_path, *of_the_server)
    assert not is_healthy(tmp_path, *of_the_server)
