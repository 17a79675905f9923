"""Sync between two real registries, with skopeo as a witness; killed, and begun again."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from support.command import REGBOT, environment, regbot
from support.examples import edited
from support.images import make_image, make_index, make_layer
from support.raw import push_raw
from support.servers import docker_registry, skopeo

RELEASES = ("3.17.1", "3.18.0", "3.19.4", "3.20.1")


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    with docker_registry(tmp_path / "source") as registry:
        yield registry


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    with docker_registry(tmp_path / "target") as registry:
        yield registry


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def upstream(registry):
    """An image with releases and a signature, and another one."""
    digests = {}
    for version in (*RELEASES, "edge"):
        children = {
            platform: make_image(platform=platform, labels={"version": version})
            for platform in ("linux/amd64", "linux/arm64")
        }
        digests[version] = push_raw(registry, "library/alpine", version, make_index(children))
    signature = f"{digests['3.20.1'].replace(':', '-')}.sig"
    push_raw(registry, "library/alpine", signature, make_image(labels={"signature": "yes"}))
    push_raw(registry, "library/busybox", "latest", make_image())
    return digests, signature


def inspected(registry, name):
    """What skopeo finds at a tag, byte for byte."""
    return skopeo(
        "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{name}"
    ).stdout


def test_the_example_keeps_copies_up(source, target, home):
    digests, signature = upstream(source)
    push_raw(target, "mirror/alpine", "3.17.1", make_image(labels={"old": "yes"}))
    push_raw(target, "mirror/alpine", "3.20.1", make_image(labels={"old": "yes"}))
    before = target.digest("mirror/alpine", "3.20.1")
    registries = {"docker.io": source, "registry.example.org": target}
    path = edited("sync.yml", home, registries)
    dry = regbot("once", "-c", path, "--dry-run", home=home)
    assert dry.returncode == 0, dry.stderr
    assert set(target.tags("mirror/alpine")) == {"3.17.1", "3.20.1"}
    done = regbot("once", "-c", path, home=home)
    assert done.returncode == 0, done.stderr
    wanted = {"3.18.0", "3.19.4", "3.20.1"}
    assert set(target.tags("mirror/alpine")) == {*wanted, signature, "before-3.20.1"}
    assert target.digest("mirror/alpine", "before-3.20.1") == before
    for tag in wanted:
        assert target.digest("mirror/alpine", tag) == digests[tag]
        assert inspected(target, f"mirror/alpine:{tag}") == inspected(
            source, f"library/alpine:{tag}"
        )
    assert set(target.tags("mirror/busybox")) == {"latest"}
    again = regbot("once", "-c", path, "-v", "debug", home=home)
    assert again.returncode == 0, again.stderr
    assert "how=sent" not in again.stderr


def test_a_sync_that_was_killed_goes_on_where_it_was(source, target, home):
    shared = [make_layer(os.urandom(2_000_000).hex()) for _ in range(3)]
    tags = {
        f"v{number}": push_raw(
            source, "team/app", f"v{number}", make_image(labels={"n": str(number)}, layers=shared)
        )
        for number in range(6)
    }
    config = {
        "creds": [
            {"registry": source.host, "tls": "disabled"},
            {"registry": target.host, "tls": "disabled", "reqConcurrent": 1},
        ],
        "sync": [
            {
                "source": f"{source.host}/team/app",
                "target": f"{target.host}/team/app",
                "type": "repository",
            }
        ],
    }
    path = home / "regbot.yml"
    path.write_text(json.dumps(config))
    command = [REGBOT, "once", "-c", str(path), "-v", "trace", "--logopt", "text"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment(home)
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if "blob is at the target" in line and "how=sent" in line:
                process.send_signal(signal.SIGKILL)
                break
    assert len(target.tags("team/app")) < len(tags)
    done = regbot("once", "-c", str(path), "-v", "debug", "--logopt", "text", home=home)
    assert done.returncode == 0, done.stderr
    assert target.tags("team/app") == tags
    assert "how=there" in done.stderr
