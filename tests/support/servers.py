"""Real servers on loopback: docker-registry in its set-ups, and skopeo as a witness.

Each is a context manager that starts a process of its own, waits until it
answers, and ends it. A missing program skips the test, but fails it where CI=true.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

USER = "robot"
PASSWORD = "correct horse"
_HTPASSWD = f"{USER}:$2b$05$mZ2eRQ/S4jCXWwzvvybzQOCI0EVHWNlzWtB24cPkRDBq4jQIap7/C\n"
_READY_WITHIN = 60.0
_STARTS = 3
_ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)


def program(name: str, package: str = "") -> str:
    """The path of an installed program; without it the test is skipped, or fails in CI."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found:
        return found
    why = f"{name} is not installed (Debian package {package or name})"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def free_port() -> int:
    """A loopback port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(
    command: Sequence[str], log: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready, until the end of the block. Its output goes to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _READY_WITHIN
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class RealRegistry:
    """A running docker-registry, and raw HTTP to see and fill it with."""

    host: str
    folder: Path
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def raw(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request: status, headers by lower-case name, body."""
        own = dict(headers or {})
        if self.user:
            text = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            own["Authorization"] = f"Basic {text}"
        connection = (
            http.client.HTTPSConnection(self.host, timeout=30, context=self.tls)
            if self.tls
            else http.client.HTTPConnection(self.host, timeout=30)
        )
        try:
            connection.request(method, path, body, own)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def tags(self, repository: str) -> dict[str, str]:
        """Tags and their digests, as far as they can be read."""
        status, _, body = self.raw("GET", f"/v2/{repository}/tags/list")
        names = json.loads(body).get("tags") or [] if status == 200 else []
        found = {name: self.digest(repository, name) for name in names}
        return {name: digest for name, digest in found.items() if digest}

    def digest(self, repository: str, name: str) -> str:
        """The digest of a tag, or empty."""
        path = f"/v2/{repository}/manifests/{name}"
        status, headers, _ = self.raw("HEAD", path, headers={"Accept": _ACCEPT})
        return headers.get("docker-content-digest", "") if status == 200 else ""


def registry_config(folder: Path, port: int, *, delete: bool, htpasswd: bool) -> dict[str, Any]:
    """The configuration of docker-registry; YAML takes JSON."""
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "storage")},
            "delete": {"enabled": delete},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of the tests"},
    }
    if htpasswd:
        (folder / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    return config


@contextmanager
def docker_registry(
    folder: Path,
    *,
    delete: bool = True,
    htpasswd: bool = False,
    more: Mapping[str, Any] | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
    binary: str = "",
) -> Iterator[RealRegistry]:
    """A real registry that keeps its content below ``folder``.

    ``more`` are sections of its configuration that replace the usual ones, but
    ``http``, which is added to. ``tls`` is how a client that trusts it speaks.
    ``port`` is the one to listen at, 0 for any that is free. ``binary`` is the program,
    where it is not Debian's.
    """
    binary = binary or program("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    user, password = (USER, PASSWORD) if htpasswd else ("", "")
    with ExitStack() as stack:
        for left in reversed(range(_STARTS)):
            at = port or free_port()
            registry = RealRegistry(f"127.0.0.1:{at}", folder, user, password, tls)
            config = registry_config(folder, at, delete=delete, htpasswd=htpasswd)
            http_section = config["http"] | dict((more or {}).get("http", {}))
            config |= {**(more or {}), "http": http_section}
            (folder / "config.yml").write_text(json.dumps(config))
            command = [binary, "serve", str(folder / "config.yml")]
            ready = partial(_answers, registry)
            try:
                stack.enter_context(running(command, folder / "registry.log", ready))
                break
            except RuntimeError:
                if not left:
                    raise
        yield registry


def _answers(registry: RealRegistry) -> bool:
    try:
        status, headers, _ = registry.raw("GET", "/v2/")
    except (OSError, http.client.HTTPException):
        return False
    return status in (200, 401) and "docker-distribution-api-version" in headers


def skopeo(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run skopeo, such as ``skopeo("inspect", "--tls-verify=false", "docker://...")``."""
    command = [program("skopeo"), "--insecure-policy", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(arguments)}: {result.stderr.strip()}")
    return result


def skopeo_tags(host: str, repository: str) -> list[str]:
    """The tags as skopeo lists them."""
    found = skopeo("list-tags", "--tls-verify=false", f"docker://{host}/{repository}")
    return sorted(json.loads(found.stdout)["Tags"])
