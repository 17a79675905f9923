"""regbot init on a real registry: what it writes works at once, and deletes nothing dear."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import regbot
from support.schemas import require_accepted
from support.servers import RealRegistry, docker_registry
from support.sixty import fill_with_sixty

from regbot.testing.schema import Suite

REPOSITORIES = ("team/app", "team/db", "team/web", "tools/ci")
DEAR = r"(latest|main|stable|v?\d+\.\d.*|20250101|pr-12)"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as registry:
        fill_with_sixty(registry)
        yield registry


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return regbot(*arguments, home=folder, cwd=folder)


def test_what_is_written_works_at_once(registry, tmp_path):
    before = {name: registry.tags(name) for name in REPOSITORIES}
    assert sum(map(len, before.values())) == 60
    done = run(tmp_path, "init", registry.host)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-4:] == [
        "next:",
        "  regbot check",
        "  regbot test",
        "  regbot plan",
    ]
    counts = re.search(
        r"of 60 tags in 4 repositories its rule would keep (\d+) now and delete (\d+)", done.stdout
    )
    assert counts
    assert run(tmp_path, "check").stderr == ""
    tested = run(tmp_path, "test")
    assert tested.returncode == 0, tested.stdout
    planned = run(tmp_path, "plan", "-o", "plan.json")
    assert planned.returncode == 0, planned.stderr
    deletes = [
        entry["reference"] for entry in json.loads((tmp_path / "plan.json").read_text())["actions"]
    ]
    assert len(deletes) == int(counts[2]) == 60 - int(counts[1])
    assert len(deletes) >= 10
    assert [name for name in deletes if re.fullmatch(DEAR, name.rpartition(":")[2])] == []
    assert {name: registry.tags(name) for name in REPOSITORIES} == before


def test_the_files_say_what_was_seen(registry, tmp_path):
    run(tmp_path, "init", registry.host, "--lua")
    config = (tmp_path / "regbot.yml").read_text()
    seen = re.search(r"team/app: (.+)", config)
    assert seen
    for part in (
        "20 builds such as build-",
        "3 releases",
        "2 signatures",
        "some for several platforms",
    ):
        assert part in seen[1]
    assert "regex:build-[0-9]+" in config
    assert "regex:sha-[0-9a-f]{7,40}" in config
    assert "regex:nightly-[0-9]{4}-[0-9]{2}-[0-9]{2}" in config
    assert "protect: [latest, main, stable," in config
    require_accepted(config)
    require_accepted((tmp_path / "regbot_test.yml").read_text(), Suite)
    for name, files in (("regbot.schema.json", "config"), ("regbot-test.schema.json", "test")):
        schema = run(tmp_path, "schema", "--for", files).stdout
        assert (tmp_path / name).read_text() == schema
    stub = run(tmp_path, "lua-api", "--format", "luals").stdout
    assert (tmp_path / "regbot.meta.lua").read_text() == stub


def test_a_repository_that_is_named_is_the_only_one(registry, tmp_path):
    done = run(tmp_path, "init", f"{registry.host}/team/db")
    assert "of 6 tags in 1 repository its rule would keep 6 now and delete 0" in done.stdout
    config = (tmp_path / "regbot.yml").read_text()
    assert "No tag there looks like a build" in config
    assert "team/app" not in config
    assert run(tmp_path, "test").returncode == 0
    assert run(tmp_path, "plan").returncode == 0


def test_a_login_is_dockers_or_of_the_environment(tmp_path):
    with docker_registry(tmp_path / "registry", htpasswd=True) as registry:
        fill_with_sixty(registry)
        refused = run(tmp_path, "init", registry.host)
        assert refused.returncode == 1
        assert "nothing was written" in refused.stderr
        assert not (tmp_path / "regbot.yml").exists()
        login = {"REGISTRY_USER": registry.user, "REGISTRY_PASSWORD": registry.password}
        done = regbot("init", registry.host, home=tmp_path, cwd=tmp_path, variables=login)
        assert done.returncode == 0, done.stderr
        config = (tmp_path / "regbot.yml").read_text()
        assert '{{env "REGISTRY_PASSWORD"}}\'\n' in config
        assert registry.password not in config + done.stdout + done.stderr
        planned = regbot("plan", home=tmp_path, cwd=tmp_path, variables=login)
        assert planned.returncode == 0, planned.stderr

        other = tmp_path / "other"
        (other / ".docker").mkdir(parents=True)
        auth = b64encode(f"{registry.user}:{registry.password}".encode()).decode()
        auths = {"auths": {registry.host: {"auth": auth}}}
        (other / ".docker" / "config.json").write_text(json.dumps(auths))
        assert run(other, "init", registry.host).returncode == 0
        config = (other / "regbot.yml").read_text()
        assert f"regbot registry whoami {registry.host}\n" in config
        assert registry.password not in config
        assert "REGISTRY_PASSWORD" not in config
        assert run(other, "plan").returncode == 0
