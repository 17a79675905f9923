"""Each example that deletes runs through the installed command against a real docker-registry.

What is left is read with skopeo and raw HTTP, never with regbot itself.
"""

import json
import re

import pytest
from support.builds import NOBODY, fill_with_work
from support.command import regbot
from support.examples import contents, edited
from support.images import make_image
from support.raw import push_raw
from support.servers import docker_registry, skopeo_tags

BY_LABEL = {"build-031", "build-090"}
BY_CREATED = {*BY_LABEL, "build-again"}
BY_RANK = {*BY_CREATED, "build-029", "build-029-a"}
RELEASES = {"v1.2.0", "v1.9.0", "v1.10.0"}
UNTESTED = {"build-010", "build-029-a", "build-029-b", "build-again"}
DELETED = [
    ("cleanup.yml", {}, BY_LABEL | RELEASES),
    ("delete-builds-by-age.yml", {}, BY_LABEL),
    ("delete-by-created.yml", {}, BY_CREATED),
    ("delete-by-created-in-parallel.yml", {}, BY_CREATED),
    ("keep-newest-releases.yml", {}, RELEASES),
    ("keep-newest-by-date.yml", {"keep: 10": "keep: 3"}, BY_RANK),
    ("keep-newest-none-older.yml", {"keep: 10": "keep: 3"}, BY_RANK),
    ("keep-newest-none-older.yml", {"age: 90d": "age: 30d"}, BY_CREATED),
    ("delete-pull-request-builds.yml", {}, {"pr-7", "pr-7-fix"}),
    ("delete-untested-images.yml", {}, UNTESTED),
    ("retention-rules.yml", {}, BY_CREATED | RELEASES),
    ("clean-up-orphaned-signatures.yml", {}, {f"{NOBODY}.sig", f"{NOBODY}.att"}),
]
"""Examples, what is changed in them, and the tags that are gone after it."""


def example_for(name, registry, repository, folder, changes=None):
    """The example for one repository of a registry."""
    in_folder = name == "cleanup.yml"
    place = "ocidir://demo/registry" if in_folder else "registry.example.org/team/app"
    here = {place: f"registry.example.org/{repository}"}
    return edited(name, folder, {"registry.example.org": registry}, here | (changes or {}))


def repository_of(tmp_path):
    """A repository of each test's own."""
    return f"team/{tmp_path.name}".lower()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("refusing"), delete=False) as registry:
        yield registry


@pytest.mark.parametrize(("example", "changes", "gone"), DELETED)
def test_an_example_deletes_what_it_says(registry, tmp_path, example, changes, gone):
    deletes_what_it_says(registry, tmp_path, example, changes, gone)


def test_an_example_with_a_login_and_again(tmp_path):
    with docker_registry(tmp_path / "registry", htpasswd=True) as registry:
        gone = BY_LABEL | RELEASES
        path, after = deletes_what_it_says(registry, tmp_path, "cleanup.yml", {}, gone)
        again = regbot("once", "-c", path, home=tmp_path)
        assert again.returncode == 0
        assert registry.tags(repository_of(tmp_path)) == after


def deletes_what_it_says(registry, tmp_path, example, changes, gone):
    repository = repository_of(tmp_path)
    fill_with_work(registry, repository)
    before, stored = registry.tags(repository), contents(registry.folder / "storage")
    path = example_for(example, registry, repository, tmp_path, changes)

    dry = regbot("once", "-c", path, "--dry-run", home=tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert contents(registry.folder / "storage") == stored
    planned = re.findall(rf"{re.escape(registry.host)}/{repository}:(\S+)", dry.stdout)
    assert set(planned) == gone
    assert dry.stdout.splitlines()[-1] == f"would delete {len(gone)} tags in 1 repository"
    assert all(before[tag] in dry.stdout for tag in gone)

    live = regbot("once", "-c", path, home=tmp_path)
    assert live.returncode == 0, live.stderr
    after = registry.tags(repository)
    assert after == {tag: digest for tag, digest in before.items() if tag not in gone}
    if not registry.user:
        assert skopeo_tags(registry.host, repository) == sorted(after)
    return path, after


@pytest.mark.parametrize("example", [example for example, _, _ in DELETED[:4]])
def test_with_delete_switched_off_every_tag_is_unchanged(refusing, tmp_path, example):
    repository = repository_of(tmp_path)
    fill_with_work(refusing, repository)
    before = refusing.tags(repository)
    raw = {tag: refusing.raw("GET", f"/v2/{repository}/manifests/{tag}")[2] for tag in before}
    path = example_for(example, refusing, repository, tmp_path)
    done = regbot("once", "-c", path, home=tmp_path)
    assert done.returncode == 1
    assert "405" in done.stderr
    assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in done.stderr
    assert "Traceback" not in done.stderr
    assert refusing.tags(repository) == before
    for tag, content in raw.items():
        assert refusing.raw("GET", f"/v2/{repository}/manifests/{tag}")[2] == content


def test_signatures_without_images_are_not_called_orphans(registry, tmp_path):
    push_raw(registry, "signatures", f"{NOBODY}.sig", make_image(created=None))
    path = example_for("clean-up-orphaned-signatures.yml", registry, "signatures", tmp_path)
    done = regbot("once", "-c", path, home=tmp_path)
    assert done.returncode == 1
    assert "signatures but no images" in done.stderr
    assert list(registry.tags("signatures")) == [f"{NOBODY}.sig"]


def test_one_date_that_is_none_is_told_and_kept(registry, tmp_path):
    label = {"org.opencontainers.image.created": "last spring"}
    push_raw(registry, "odd", "build-1", make_image(labels=label))
    path = example_for("delete-builds-by-age.yml", registry, "odd", tmp_path)
    done = regbot("once", "-c", path, home=tmp_path)
    assert done.returncode == 0
    assert "kept build-1" in done.stderr
    assert "last spring" in done.stderr
    assert list(registry.tags("odd")) == ["build-1"]


def test_wrong_credentials_are_one_clear_error(tmp_path):
    with docker_registry(tmp_path / "registry", htpasswd=True) as registry:
        push_raw(registry, "team/app", "v1", make_image())
        config = {
            "creds": [
                {
                    "registry": registry.host,
                    "tls": "disabled",
                    "user": "robot",
                    "pass": "wr0ng pass",
                }
            ],
            "scripts": [{"name": "a", "script": f"tag.delete('{registry.host}/team/app:v1')"}],
        }
        path = tmp_path / "bot.yml"
        path.write_text(json.dumps(config))
        done = regbot("once", "-c", str(path), "-v", "trace", home=tmp_path)
        assert done.returncode == 1
        assert "401" in done.stderr
        assert "wr0ng" not in done.stderr
        assert list(registry.tags("team/app")) == ["v1"]
