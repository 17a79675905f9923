"""Each example runs through the installed command against a real docker-registry.

What is left is read with skopeo and raw HTTP, never with regbot itself.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.command import regbot
from support.images import make_image, make_index
from support.raw import push_raw
from support.servers import docker_registry, skopeo_tags

EXAMPLES = Path(__file__).parents[2] / "examples"
CREATED = "org.opencontainers.image.created"


def days_ago(days):
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def fill(registry, repository):
    """Dated builds, releases, two tags on one digest, an index, a build without a date."""
    for days in (1, 10, 29, 31, 90):
        image = make_image(labels={CREATED: days_ago(days)})
        push_raw(registry, repository, f"build-{days:03}", image)
        if days == 90:
            push_raw(registry, repository, "in-production", image)
    push_raw(registry, repository, "build-undated", make_image(created=None))
    for number, version in enumerate(
        ("1.2.0", "1.9.0", "1.10.0", "1.10.1", "2.0.0", "2.1.0", "10.0.0")
    ):
        push_raw(registry, repository, f"v{version}", make_image(labels={"number": str(number)}))
    push_raw(registry, repository, "v2.1.0-rc.1", make_image(labels={"rc": "1"}))
    both = {
        name: make_image(platform=name, labels={"v": "11"})
        for name in ("linux/amd64", "linux/arm64")
    }
    push_raw(registry, repository, "v11.0.0", make_index(both))


def edited(name, registry, repository, folder):
    """The example as a user would edit it for a registry of their own."""
    text = (EXAMPLES / name).read_text()
    text = text.replace("registry.example.org/team/app", f"registry.example.org/{repository}")
    text = text.replace("ocidir://demo/registry", f"registry.example.org/{repository}")
    text = text.replace("registry.example.org", registry.host)
    login = f"tls: disabled\n    user: {registry.user}\n    pass: {registry.password}"
    login = login if registry.user else "tls: disabled"
    if "\ncreds:" in text:
        text = text.replace("tls: enabled", login)
    else:
        text += f"\ncreds:\n  - registry: {registry.host}\n    {login}\n"
    path = folder / name
    path.write_text(text)
    return str(path)


KEPT = {
    "delete-builds-by-age.yml": lambda tag: tag not in ("build-031", "build-090"),
    "keep-newest-releases.yml": lambda tag: tag not in ("v1.2.0", "v1.9.0", "v1.10.0"),
    "cleanup.yml": lambda tag: tag not in ("build-031", "build-090", "v1.2.0", "v1.9.0", "v1.10.0"),
}


def test_every_example_is_run_here():
    assert {path.name for path in EXAMPLES.glob("*.yml")} == set(KEPT)


@pytest.fixture(scope="module", params=["open", "htpasswd"])
def registry(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    with docker_registry(folder, delete=True, htpasswd=request.param == "htpasswd") as registry:
        yield registry


@pytest.mark.parametrize("example", KEPT)
def test_an_example_deletes_what_it_says(registry, tmp_path, example):
    repository = f"team/{Path(example).stem}"
    fill(registry, repository)
    before = registry.tags(repository)
    path = edited(example, registry, repository, tmp_path)
    gone = {tag for tag in before if not KEPT[example](tag)}

    dry = regbot("once", "-c", path, "--dry-run", home=tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert registry.tags(repository) == before
    planned = re.findall(rf"{re.escape(registry.host)}/{repository}:(\S+)", dry.stdout)
    assert set(planned) == gone
    assert dry.stdout.splitlines()[0].split() == [
        "script",
        "action",
        "reference",
        "digest",
        "reason",
    ]
    assert dry.stdout.splitlines()[-1] == f"{len(gone)} planned"
    assert all(before[tag] in dry.stdout for tag in gone)

    live = regbot("once", "-c", path, home=tmp_path)
    assert live.returncode == 0, live.stderr
    after = registry.tags(repository)
    assert after == {tag: digest for tag, digest in before.items() if tag not in gone}
    if not registry.user:
        assert skopeo_tags(registry.host, repository) == sorted(after)

    again = regbot("once", "-c", path, home=tmp_path)
    assert again.returncode == 0
    assert registry.tags(repository) == after


@pytest.mark.parametrize("example", KEPT)
def test_with_delete_switched_off_every_tag_is_unchanged(tmp_path, example):
    with docker_registry(tmp_path / "registry", delete=False) as registry:
        fill(registry, "team/app")
        before = registry.tags("team/app")
        raw = {tag: registry.raw("GET", f"/v2/team/app/manifests/{tag}")[2] for tag in before}
        done = regbot("once", "-c", edited(example, registry, "team/app", tmp_path), home=tmp_path)
        assert done.returncode == 1
        assert "tag.delete" in done.stderr
        assert "405" in done.stderr or "not supported" in done.stderr.lower()
        assert "Traceback" not in done.stderr
        assert registry.tags("team/app") == before
        for tag, content in raw.items():
            assert registry.raw("GET", f"/v2/team/app/manifests/{tag}")[2] == content


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
