"""regbot from Python, from a script that stands outside the package."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.command import regbot
from support.images import make_image
from support.registry import TestRegistry

from regbot import Client
from regbot.errors import GuardBroken, InvalidValue, NotFound
from regbot.http.hosts import HostSettings, Login, Secret
from regbot.oci.tag import Tag

OUTSIDE = """
import sys
from regbot import Client
from regbot.http.hosts import HostSettings

repository = sys.argv[1]
host = HostSettings(repository.partition("/")[0], tls="disabled")
with Client(hosts=[host], docker_config=False) as client:
    for tag in client.tags(repository):
        if tag.startswith("old"):
            print(client.tag_delete(f"{repository}:{tag}").status)
"""


@pytest.fixture
def registry():
    with TestRegistry(users={"robot": "s3cret"}, auth="basic") as registry:
        registry.put_image("app", "old-1", labels={"a": "b"}, created="2024-05-06T07:08:09Z")
        registry.put_image("app", "new", labels={"c": "d"})
        children = {name: make_image(platform=name) for name in ("linux/amd64", "linux/arm64")}
        registry.put_index("app", "multi", children)
        yield registry


def connect(registry, **how):
    host = HostSettings(registry.host, tls="disabled", login=Login("robot", Secret("s3cret")))
    return Client(hosts=[host], docker_config=False, **how)


def test_reads(registry):
    repository = f"{registry.host}/app"
    with connect(registry) as client:
        assert client.tags(repository) == ["multi", "new", "old-1"]
        assert client.repositories(registry.host) == ["app"]
        digest = str(client.head(f"{repository}:new").digest)
        assert str(client.manifest(Tag(f"{repository}@{digest}")).digest) == digest
        assert client.config(f"{repository}:old-1").data["config"]["Labels"] == {"a": "b"}
        index = client.manifest(f"{repository}:multi")
        assert len(index.manifests) == 2
        arm = client.manifest(f"{repository}:multi", "linux/arm64")
        assert arm.digest == index.manifests[1].digest
        layer = arm.layers[0]
        assert len(b"".join(client.blob(repository, str(layer.digest)))) == layer.size
        assert client.size(f"{repository}:new") > layer.size
        created = client.created(f"{repository}:old-1")
        assert created is not None
        assert created.isoformat() == "2024-05-06T07:08:09+00:00"
        assert client.referrers(f"{repository}:new") == []
        with pytest.raises(NotFound):
            client.manifest(f"{repository}:missing")


def test_changes(registry):
    repository = f"{registry.host}/app"
    with connect(registry) as client:
        old = str(client.head(f"{repository}:old-1").digest)
        new = str(client.head(f"{repository}:new").digest)
        skipped = client.tag_delete(f"{repository}:old-1", expected=new)
        assert skipped.status == "skipped"
        assert client.tag_delete(f"{repository}:old-1", expected=old).status == "done"
        client.image_copy(f"{repository}:new", f"{registry.host}/other:copied")
        client.manifest_put(f"{repository}:again", client.manifest(f"{repository}:new"))
        assert client.tags(repository) == ["again", "multi", "new"]
        assert str(client.head(f"{registry.host}/other:copied").digest) == new
        client.manifest_delete(f"{repository}@{new}")
        assert client.tags(repository) == ["multi"]
        assert [outcome.status for outcome in client.outcomes].count("done") == 4


def test_a_dry_run_changes_nothing_and_shows_it(registry):
    repository = f"{registry.host}/app"
    with connect(registry, dry_run=True) as client:
        client.tag_delete(f"{repository}:new", reason="old")
        client.image_copy(f"{repository}:multi", f"{repository}:copied")
        assert client.tags(repository) == ["copied", "multi", "old-1"]
        assert [outcome.status for outcome in client.outcomes] == ["planned", "planned"]
    assert sorted(registry.tags("app")) == ["multi", "new", "old-1"]
    assert {request.method for request in registry.requests} <= {"GET", "HEAD"}


def test_hosts_come_from_a_config_too(registry, tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(
        f"creds: [{{registry: '{registry.host}', tls: disabled, user: robot, pass: s3cret}}]\n"
        "scripts: [{name: a, script: return}]\n"
    )
    with Client(config=path) as client:
        assert len(client.tags(f"{registry.host}/app")) == 3


def test_what_the_config_protects_stays(registry, tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(
        f"creds: [{{registry: '{registry.host}', tls: disabled, user: robot, pass: s3cret}}]\n"
        "defaults: {guard: {protect: [new]}}\n"
        "scripts: [{name: a, script: return}]\n"
    )
    repository = f"{registry.host}/app"
    with Client(config=path) as client:
        with pytest.raises(GuardBroken, match="protect new"):
            client.tag_delete(f"{repository}:new")
        with pytest.raises(GuardBroken, match="protect new"):
            client.image_copy(f"{repository}:old-1", f"{repository}:new")
    assert "new" in registry.tags("app")


def test_what_is_not_named_is_refused(registry):
    with connect(registry) as client:
        with pytest.raises(InvalidValue, match="names no tag"):
            client.tag_delete(f"{registry.host}/app")
        with pytest.raises(InvalidValue, match="names no digest"):
            client.manifest_delete(f"{registry.host}/app:new")


def test_from_a_script_outside_the_package(tmp_path):
    script = tmp_path / "clean.py"
    script.write_text(OUTSIDE)
    with TestRegistry() as registry:
        registry.put_image("app", "old-1")
        registry.put_image("app", "new")
        done = subprocess.run(
            [sys.executable, str(script), f"{registry.host}/app"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert (done.stdout, done.stderr) == ("done\n", "")
        assert list(registry.tags("app")) == ["new"]


def test_every_method_is_documented():
    page = Path(__file__).parents[1].joinpath("docs", "library.md").read_text()
    public = [name for name in vars(Client) if not name.startswith("_")]
    assert [name for name in public if f"`{name}" not in page] == []


def test_with_a_journal_a_delete_can_be_undone(registry, tmp_path):
    repository = f"{registry.host}/app"
    before = dict(registry.tags("app"))
    with connect(registry, journal=tmp_path / "state") as client:
        client.tag_delete(f"{repository}:new")
    assert "new" not in registry.tags("app")
    config = tmp_path / "bot.yml"
    config.write_text(
        f"creds: [{{registry: '{registry.host}', tls: disabled, user: robot, pass: s3cret}}]\n"
        "defaults: {state: state}\n"
    )
    runs = regbot("history", "-c", str(config), home=tmp_path).stdout.splitlines()
    run = runs[1].split()[0]
    assert regbot("undo", run, "-c", str(config), home=tmp_path).returncode == 0
    assert registry.tags("app") == before
