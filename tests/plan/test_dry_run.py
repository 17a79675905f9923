"""Law 1: a dry run changes nothing anywhere, whatever a script calls."""

import json

import pytest
from support.command import regbot
from support.images import make_image
from support.registry import TestRegistry

from regbot.lua.api.catalogue import BINDINGS

CALLS = {
    "tag.delete": 'tag.delete(app .. ":old")',
    "manifest.delete": 'manifest.getList(app .. ":multi"):delete()',
    "manifest.put": 'manifest.getList(app .. ":old"):put(app .. ":again")',
    "blob.put": 'blob.put(app, "some content")',
    "image.copy": 'image.copy(app .. ":multi", app .. "-copy:multi", {digestTags = true})',
    "image.exportTar": 'image.exportTar(app .. ":old", "old.tar")',
    "image.importTar": 'image.importTar(app .. ":imported", "given.tar")',
    "tag.add": 'tag.add(app .. ":old", "again")',
    "blob.copy": 'blob.copy(app, app .. "-copy", manifest.get(app .. ":old").config.digest)',
    "repo.copy": 'repo.copy(app, app .. "-copy")',
    "index.create": 'index.create(app .. "-new:both", {refs = {app .. ":multi"}})',
    "index.add": 'index.add(app .. ":multi", {refs = {app .. ":old"}})',
    "index.remove": 'index.remove(app .. ":multi", {platforms = {"linux/arm64"}})',
    "artifact.put": 'artifact.put(app .. ":file", "content", {artifactType = "text/plain"})',
    "image.delete": 'image.delete(app .. ":multi", {children = true, referrers = true})',
}


def test_every_binding_that_changes_something_is_called_here():
    assert {binding.name for binding in BINDINGS if binding.changes} == set(CALLS)


@pytest.fixture
def registry():
    with TestRegistry() as registry:
        registry.put_image("app", "old", labels={"a": "b"})
        children = {name: make_image(platform=name) for name in ("linux/amd64", "linux/arm64")}
        digest = registry.put_index("app", "multi", children)
        registry.put_artifact("app", digest)
        yield registry


@pytest.fixture
def run(tmp_path, registry):
    work = tmp_path / "work"
    work.mkdir()

    def run(script, *flags):
        config = {
            "creds": [{"registry": registry.host, "tls": "disabled"}],
            "defaults": {"workDir": str(work)},
            "scripts": [{"name": "a", "script": f'app = "{registry.host}/app"\n{script}'}],
        }
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        variables = {"XDG_STATE_HOME": str(tmp_path / "state")}
        path = str(tmp_path / "bot.yml")
        return regbot("once", "-c", path, *flags, home=tmp_path, variables=variables)

    run.work = work
    assert run('image.exportTar(app .. ":old", "given.tar")').returncode == 0
    return run


def files_in(folder):
    """All but the config, and the cache: what was read may be kept."""
    cache = folder / ".cache"
    return {
        path
        for path in folder.rglob("*")
        if path.name != "bot.yml" and path != cache and cache not in path.parents
    }


@pytest.mark.parametrize("name", CALLS)
def test_a_dry_run_sends_no_write_and_makes_no_file(name, run, registry, tmp_path):
    files = files_in(tmp_path)
    before = len(registry.requests)
    done = run(CALLS[name], "--dry-run")
    assert done.returncode == 0, done.stderr
    sent = registry.requests[before:]
    assert sent != []
    assert {request.method for request in sent} <= {"GET", "HEAD"}
    assert files_in(tmp_path) == files
    assert "planned" in done.stdout


@pytest.mark.parametrize("name", CALLS)
def test_the_same_call_does_change_something(name, run, registry):
    before = len(registry.requests)
    files = sorted(run.work.iterdir())
    done = run(CALLS[name])
    assert done.returncode == 0, done.stderr
    wrote = {request.method for request in registry.requests[before:]} - {"GET", "HEAD"}
    assert wrote or sorted(run.work.iterdir()) != files
