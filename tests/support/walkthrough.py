"""Runs the commands of a page as its reader would: a home, a folder, and the registries.

The names of the docs lead to registries of the test: every TLS connection goes through a
proxy that takes ``registry.example.org`` to a real docker-registry, filled as ``scripts/demo
--push`` fills one, and ``mirror.example.org`` to an empty one.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fcntl import ioctl
from pathlib import Path

from regbot.http.hosts import HostSettings
from support.certificates import Authority
from support.pages import ROOT, normal
from support.servers import docker_registry

sys.path.insert(0, str(ROOT / "scripts"))

import demo_images

FILLED = "registry.example.org"
EMPTY = "mirror.example.org"
HUB = "docker.io"
HUB_ADDRESS = "registry-1.docker.io"
PULLS_LEFT = {"RateLimit-Limit": ["100;w=21600"], "RateLimit-Remaining": ["90;w=21600"]}
LOCAL = "localhost:5000"
RUN_ID = re.compile(r"\b\d{8}-\d{6}(?:-[0-9a-f]{4})?\b")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\].*?\x07")
COLUMNS = 80
FILLING = {
    FILLED: demo_images.REPOSITORIES,
    EMPTY: {},
    HUB: {"library/alpine": demo_images.build_base},
}
"""The registries of the docs, with what fills their repositories."""

_WITHIN = 120.0


class Tunnels:
    """A proxy that knows where each name leads, and refuses all others (RFC 9110, 9.3.6)."""

    def __init__(self, ways: dict[str, int]) -> None:
        self._ways = ways
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(60)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                received = client.recv(1)
                if not received:
                    return
                head += received
            name = head.split()[1].decode().rpartition(":")[0]
            if name not in self._ways:
                client.sendall(b"HTTP/1.1 502 The docs name no such host\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._ways[name])) as registry:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pass_on, args=(registry, client), daemon=True)
                back.start()
                _pass_on(client, registry)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@dataclass
class Walk:
    """The reader of one page. ``changes`` are texts of the page and what stands for them."""

    folder: Path
    environment: dict[str, str]
    changes: dict[str, str]
    _ids: dict[str, str] = field(default_factory=dict)
    _newest_id: str = ""

    def save(self, name: str, text: str) -> None:
        """Write a file as the page says."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._as_here(text))

    def run(self, command: str, *, escapes: bool = False) -> tuple[int, str]:
        """Run a command at a terminal; its exit code and what is seen, in the page's names.

        ``escapes`` leaves the codes of colours in.
        """
        line = RUN_ID.sub(lambda match: self._id_here(match[0]), self._as_here(command))
        code, seen = run_at_terminal(line, self.folder, self.environment)
        seen = seen if escapes else ESCAPES.sub("", seen)
        ids = [found for found in RUN_ID.findall(seen) if found.count("-") == 2]
        self._newest_id = ids[-1] if ids else self._newest_id
        for name, here in self.changes.items():
            seen = seen.replace(here, name)
        return code, seen.replace(f"{self.folder}/", "")

    def learn(self, shown: str, seen: str) -> None:
        """Ids that the page shows stand for those that were seen in the same line."""
        lines = {normal(line): RUN_ID.findall(line) for line in seen.splitlines()}
        for line in shown.splitlines():
            self._ids |= dict(zip(RUN_ID.findall(line), lines.get(normal(line), ()), strict=False))

    def _as_here(self, text: str) -> str:
        for name, here in self.changes.items():
            text = text.replace(name, here)
        return text

    def _id_here(self, shown: str) -> str:
        for name, here in self._ids.items():
            if name.startswith(shown):
                return here
        self._ids[shown] = self._newest_id
        return self._newest_id or shown


def run_at_terminal(line: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a line of bash at a terminal of 80 columns."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    with ExitStack() as ending:
        ending.callback(os.close, leader)
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", line],
            stdin=subprocess.DEVNULL,
            stdout=follower,
            stderr=follower,
            cwd=folder,
            env=environment,
        )
        os.close(follower)
        timer = threading.Timer(_WITHIN, process.kill)
        ending.callback(timer.cancel)
        timer.start()
        seen = b""
        with suppress(OSError):  # the other end is closed
            while data := os.read(leader, 65536):
                seen += data
        code = process.wait()
    return code, seen.decode().replace("\r\n", "\n")


def page_environment(home: Path) -> dict[str, str]:
    """The environment of a reader who has just begun."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "COLUMNS": str(COLUMNS),
    }


def server_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and the certificate and key of a server with the names of the docs."""
    authority = Authority.make(folder)
    names = ",".join(f"DNS:{name}" for name in (FILLED, EMPTY, HUB_ADDRESS))
    return folder / "ca.crt", *authority.sign("docs", f"{names},IP:127.0.0.1")


@contextmanager
def walking(text: str, folder: Path, certificate: tuple[Path, Path, Path]) -> Iterator[Walk]:
    """The surroundings that the commands and files of a page need, until the end of the block."""
    trusted, public, private = certificate
    here = folder / "here"
    here.mkdir(parents=True)
    (folder / "home").mkdir()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "registry").write_text("secret\n")
    changes = {"/run/secrets": str(folder / "secrets"), "scripts/demo": f"{ROOT}/scripts/demo"}
    tls = {"certificate": str(public), "key": str(private)}
    client = ssl.create_default_context(cafile=str(trusted))
    ways: dict[str, int] = {}
    with ExitStack() as ending:
        for name, fill in FILLING.items():
            if name in text or name == FILLED:
                http = {"tls": tls, "headers": PULLS_LEFT if name == HUB else {}}
                registry = ending.enter_context(
                    docker_registry(folder / name, more={"http": http}, tls=client)
                )
                host = HostSettings(registry.host, ca_certificate=trusted.read_text())
                demo_images.push(host, fill, datetime.now(UTC))
                ways[HUB_ADDRESS if name == HUB else name] = int(registry.host.rpartition(":")[2])
        if LOCAL in text:
            local = ending.enter_context(docker_registry(folder / "local"))
            changes[LOCAL] = local.host.replace("127.0.0.1", "localhost")
        tunnels = Tunnels(ways)
        ending.callback(tunnels.close)
        environment = page_environment(folder / "home") | {
            "HTTPS_PROXY": tunnels.url,
            "SSL_CERT_FILE": str(trusted),
            "REGISTRY_USER": "robot",
        }
        if "examples/" in text:
            shutil.copytree(ROOT / "examples", here / "examples")
        yield Walk(here, environment, changes)
