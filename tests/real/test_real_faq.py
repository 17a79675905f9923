"""Lines of the FAQ on registries, as regbot has them, with real servers."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from support.between import ELSEWHERE, tinyproxy
from support.clients import Client
from support.command import regbot
from support.images import make_image, push
from support.servers import PASSWORD, USER, docker_registry
from support.tokens import token_registry

from regbot.http.hosts import Login, Secret


def fill(host: str, *repositories: str, **settings: Any) -> None:
    """Put an image into each repository."""
    with Client(host, **settings) as client:
        for repository in repositories:
            push(client.store(repository), make_image(), "v1")


def line(text: str, home: Path, **variables: str) -> None:
    """Run a line as a person types it."""
    done = regbot(*shlex.split(text)[1:], home=home, variables=variables)
    assert done.returncode == 0, done.stderr


def listing(home: Path, *repositories: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Read the tags of repositories, without a config."""
    script = (
        f"for _, name in ipairs({{{json.dumps(repositories)[1:-1]}}}) do print(tag.ls(name)[1]) end"
    )
    return regbot("run", "-e", script, home=home, variables=variables)


def test_http_server_gave_http_response_to_https_client(tmp_path: Path) -> None:
    """FAQ: ``regctl registry set --tls disabled <registry>``."""
    with docker_registry(tmp_path / "registry") as registry:
        fill(registry.host, "team/app")
        before = listing(tmp_path, f"{registry.host}/team/app")
        assert before.returncode == 1
        assert f"regbot registry set --tls disabled {registry.host}" in before.stderr
        line(f"regbot registry set --tls disabled {registry.host}", tmp_path)
        assert listing(tmp_path, f"{registry.host}/team/app").stdout == "v1\n"


def test_a_credential_helper(tmp_path: Path) -> None:
    """FAQ: credential helpers may be set with ``regctl registry set --cred-helper``."""
    helper = tmp_path / "programs" / "docker-credential-custom-helper"
    helper.parent.mkdir()
    answer = json.dumps({"ServerURL": "", "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\ncat >> {tmp_path}/asked\necho '{answer}'\n")
    helper.chmod(0o755)
    with docker_registry(tmp_path / "registry", htpasswd=True) as registry:
        fill(registry.host, "team/app", login=Login(USER, Secret(PASSWORD)))
        line(f"regbot registry set --tls disabled {registry.host}", tmp_path)
        set_helper = "regbot registry set --cred-helper docker-credential-custom-helper"
        line(f"{set_helper} {registry.host}", tmp_path)
        path = f"{helper.parent}:{os.environ['PATH']}"
        asked = listing(tmp_path, f"{registry.host}/team/app", PATH=path)
        assert asked.stdout == "v1\n"
        assert (tmp_path / "asked").read_text() == registry.host
        assert PASSWORD not in asked.stderr


def test_a_token_for_each_repository(tmp_path: Path) -> None:
    """FAQ: ``regctl registry set --repo-auth gcr.io``: the flag may stand before the name."""
    users, login = {"joe": "open+sesame"}, Login("joe", Secret("open+sesame"))
    with token_registry(tmp_path, users, most_scopes=1) as (registry, tokens):
        names = [f"{registry.host}/team/{name}" for name in ("a", "b")]
        fill(registry.host, "team/a", "team/b", login=login, repo_auth=True)
        line(f"regbot registry set --tls disabled {registry.host}", tmp_path)
        line(f"regbot registry set --repo-auth {registry.host}", tmp_path)
        (tmp_path / ".docker").mkdir()
        logins = {"auths": {registry.host: {"username": "joe", "password": "open+sesame"}}}
        (tmp_path / ".docker" / "config.json").write_text(json.dumps(logins))
        before = len(tokens.asked)
        assert listing(tmp_path, *names, *names).stdout == "v1\n" * 4
        assert [len(scopes) for scopes in tokens.scopes[before:]] == [1, 1]


def test_a_proxy(tmp_path: Path) -> None:
    """FAQ: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY`` in the environment of a command."""
    with (
        docker_registry(tmp_path / "registry") as registry,
        tinyproxy(tmp_path / "proxy") as proxy,
    ):
        fill(registry.host, "team/app")
        host = f"{ELSEWHERE}:{registry.host.partition(':')[2]}"
        line(f"regbot registry set --tls disabled {host}", tmp_path)
        proxies = {"HTTP_PROXY": f"http://{proxy.host}/", "HTTPS_PROXY": f"http://{proxy.host}/"}
        direct = {**proxies, "NO_PROXY": f"example.org,{ELSEWHERE}"}
        assert listing(tmp_path, f"{host}/team/app", **direct).stdout == "v1\n"
        assert proxy.requests == []
        assert listing(tmp_path, f"{host}/team/app", **proxies).stdout == "v1\n"
        assert proxy.requests


def test_deleting_a_tag(tmp_path: Path) -> None:
    """FAQ: "With ``regctl``, that is ``regctl tag rm``."""
    with docker_registry(tmp_path / "registry") as registry:
        fill(registry.host, "team/app")
        line(f"regbot registry set --tls disabled {registry.host}", tmp_path)
        line(f"regbot tag rm {registry.host}/team/app:v1", tmp_path)
        assert registry.tags("team/app") == {}


def test_a_copy_through_a_proxy(tmp_path: Path) -> None:
    """FAQ: ``regctl image copy SOURCE TARGET`` with ``HTTP_PROXY`` and ``NO_PROXY``."""
    with (
        docker_registry(tmp_path / "registry") as registry,
        docker_registry(tmp_path / "other") as other,
        tinyproxy(tmp_path / "proxy") as proxy,
    ):
        fill(registry.host, "regclient/regsync")
        source = f"{ELSEWHERE}:{registry.host.partition(':')[2]}"
        for host in (source, other.host):
            line(f"regbot registry set --tls disabled {host}", tmp_path)
        proxies = {"HTTP_PROXY": f"http://{proxy.host}/", "NO_PROXY": "127.0.0.1,10.10.0.0/16"}
        images = f"{source}/regclient/regsync:v1 {other.host}/regclient/regsync:v1"
        line(f"regbot image copy {images}", tmp_path, **proxies)
        assert other.tags("regclient/regsync") == registry.tags("regclient/regsync")
        assert proxy.requests


def test_a_config_of_regsync_reaches_its_registries(tmp_path: Path) -> None:
    """FAQ: ``tls``, ``credHelper`` and ``repoAuth`` under ``creds``, "for regsync and regbot"."""
    helper = tmp_path / "programs" / "docker-credential-custom-helper"
    helper.parent.mkdir()
    answer = json.dumps({"ServerURL": "", "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    with (
        docker_registry(tmp_path / "source", htpasswd=True) as source,
        docker_registry(tmp_path / "target") as target,
    ):
        fill(source.host, "team/app", login=Login(USER, Secret(PASSWORD)))
        (tmp_path / "regsync.yml").write_text(f"""
version: 1
creds:
  - registry: {source.host}
    tls: disabled
    credHelper: docker-credential-custom-helper
    repoAuth: true
  - registry: {target.host}
    tls: disabled
sync:
  - source: {source.host}/team/app
    target: {target.host}/team/app
    type: repository
""")
        path = f"{helper.parent}:{os.environ['PATH']}"
        line(f"regbot once -c {tmp_path}/regsync.yml", tmp_path, PATH=path)
        assert set(target.tags("team/app")) == {"v1"}
