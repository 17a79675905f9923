"""Commands on a real docker-registry, with skopeo as an independent witness."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.command import regbot
from support.images import make_image, make_index, push
from support.servers import RealRegistry, docker_registry, skopeo

from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore

Run = Callable[..., "CompletedProcess[str]"]

AMD, ARM, S390 = PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")
CREATED = "2024-05-01T00:00:00Z"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with docker_registry(tmp_path_factory.mktemp("real")) as registry:
        yield registry


@pytest.fixture
def run(tmp_path: Path, registry: RealRegistry) -> Run:
    """Run a command that has to succeed, in a folder of its own."""
    config = {"creds": [{"registry": registry.host, "tls": "disabled"}]}
    (tmp_path / "bot.yml").write_text(json.dumps(config))

    def run(*words: str, stdin: str | bytes = "") -> CompletedProcess[str]:
        command = (*words, "-c", str(tmp_path / "bot.yml"))
        done = regbot(*command, home=tmp_path, cwd=tmp_path, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def app(tmp_path: Path, registry: RealRegistry, run: Run) -> str:
    """A repository with an image at v1 and an index of three platforms at multi."""
    store = OciDirStore(Reference.parse(f"ocidir://{tmp_path / 'images'}"))
    push(store, make_image(created=CREATED, labels={"n": "1"}, platform=AMD), "v1")
    children = {name: make_image(platform=name, labels={"on": name}) for name in PLATFORMS}
    push(store, make_index(children), "multi")
    name = f"{registry.host}/{tmp_path.name.replace('_', '-').lower()}/app"
    run("repo", "copy", "ocidir://images", name)
    return name


def seen(*words: str) -> dict[str, object]:
    """What skopeo inspect says."""
    return json.loads(skopeo("inspect", "--tls-verify=false", *words).stdout)


def raw(name: str) -> dict[str, object]:
    """The manifest as skopeo reads it."""
    return seen("--raw", f"docker://{name}")


def test_what_was_copied_is_read_by_skopeo(app: str, run: Run) -> None:
    for tag in ("v1", "multi"):
        digest = run("image", "digest", f"ocidir://images:{tag}").stdout.strip()
        assert seen(f"docker://{app}:{tag}")["Digest"] == digest
    assert run("tag", "ls", app).stdout == "multi\nv1\n"


def test_inspect_agrees_with_skopeo_in_every_field_that_both_have(app: str, run: Run) -> None:
    for tag in ("v1", "multi"):
        ours = json.loads(run("image", "inspect", f"{app}:{tag}", "-p", AMD).stdout)
        platform = ("--override-os", "linux", "--override-arch", "amd64")
        done = skopeo(*platform, "inspect", "--tls-verify=false", f"docker://{app}:{tag}")
        theirs = json.loads(done.stdout)
        assert ours["name"] == theirs["Name"]
        assert ours["digest"] == theirs["Digest"]
        assert ours["architecture"] == theirs["Architecture"]
        assert ours["os"] == theirs["Os"]
        assert [layer["digest"] for layer in ours["layers"]] == theirs["Layers"]
        assert ours["config"].get("Labels") == theirs["Labels"]
        assert ours["config"].get("Env") == theirs["Env"]
        assert ours.get("docker_version", "") == theirs["DockerVersion"]
        if ours.get("created"):
            assert moment(ours["created"]) == moment(theirs["Created"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_files_come_back_from_an_artifact_that_skopeo_reads(
    app: str, run: Run, tmp_path: Path
) -> None:
    contents = {"one.bin": bytes(range(256)) * 999, "two.txt": b"two\n"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = [word for name in contents for word in ("--file", name)]
    kind = ("--artifact-type", "application/vnd.example.files")
    words = ("artifact", "put", f"{app}:files", *kind, *files, "--file-title")
    digest = run(*words, "--annotation", "a=b").stdout.strip()
    manifest = raw(f"{app}:files")
    assert manifest["artifactType"] == "application/vnd.example.files"
    assert manifest["annotations"] == {"a": "b"}
    copied = f"oci:{tmp_path / 'by-skopeo'}:files"
    skopeo("copy", "--src-tls-verify=false", f"docker://{app}:files", copied)
    assert run("image", "digest", "ocidir://by-skopeo:files").stdout.strip() == digest
    (tmp_path / "out").mkdir()
    run("artifact", "get", "ocidir://by-skopeo:files", "--output", "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == contents
    assert run("artifact", "get", f"{app}:files", "--file", "two.txt").stdout == "two\n"


def test_a_file_of_an_artifact_stays_in_its_folder(app: str, run: Run, tmp_path: Path) -> None:
    raw_file = run("artifact", "put", f"{app}:bad", "--artifact-type", "text/plain", stdin="x")
    assert raw_file.stdout.startswith("sha256:")
    manifest = raw(f"{app}:bad")
    manifest["layers"][0]["annotations"] = {  # type: ignore[index]
        "org.opencontainers.image.title": "../../outside"
    }
    run("manifest", "put", f"{app}:bad", stdin=json.dumps(manifest))
    (tmp_path / "in" / "deep").mkdir(parents=True)
    run("artifact", "get", f"{app}:bad", "--output", "in/deep")
    assert [path.name for path in (tmp_path / "in" / "deep").iterdir()] == ["outside"]


def test_an_sbom_is_found_by_its_subject(app: str, run: Run) -> None:
    kind = "application/spdx+json"
    put = ("artifact", "put", "--subject", f"{app}:v1", "--artifact-type", kind)
    digest = run(*put, stdin='{"spdx": 1}').stdout.strip()
    get = ("artifact", "get", "--subject", f"{app}:v1", "--filter-artifact-type", kind)
    assert run(*get).stdout == '{"spdx": 1}'
    assert run("referrer", "ls", f"{app}:v1").stdout.startswith(f"{digest}  {kind}  ")
    tree = run("referrer", "tree", f"{app}:v1").stdout.splitlines()
    assert tree[1] == f"└─ {digest}  {kind}"
    assert raw(f"{app}@{digest}")["subject"]["digest"] == (  # type: ignore[index]
        run("image", "digest", f"{app}:v1").stdout.strip()
    )


def test_an_index_is_made_grows_and_shrinks(app: str, run: Run, tmp_path: Path) -> None:
    new = f"{app}-new"
    words = ("index", "create", f"{new}:both", "--ref", f"{app}:multi")
    run(*words, "--platform", AMD, "--platform", ARM, "--annotation", "a=b")
    assert platforms(f"{new}:both") == ["amd64", "arm64"]
    skopeo("copy", "--all", "--src-tls-verify=false", f"docker://{new}:both", f"dir:{tmp_path}/all")
    run("index", "add", f"{new}:both", "--ref", f"{app}:multi", "--platform", S390)
    assert platforms(f"{new}:both") == ["amd64", "arm64", "s390x"]
    run("index", "rm", f"{new}:both", "--platform", ARM)
    assert platforms(f"{new}:both") == ["amd64", "s390x"]
    assert raw(f"{new}:both")["annotations"] == {"a": "b"}


def platforms(name: str) -> list[str]:
    entries = raw(name)["manifests"]
    return [entry["platform"]["architecture"] for entry in entries]  # type: ignore[index]


def test_an_index_of_single_images_says_their_platforms(app: str, run: Run) -> None:
    run("index", "create", f"{app}:one", "--ref", f"{app}:v1", "--desc-annotation", "x=y")
    (entry,) = raw(f"{app}:one")["manifests"]  # type: ignore[misc]
    assert entry["platform"] == {"architecture": "amd64", "os": "linux"}
    assert entry["annotations"] == {"x": "y"}
    docker = "application/vnd.docker.distribution.manifest.list.v2+json"
    run("index", "create", f"{app}:list", "--ref", f"{app}:v1", "--media-type", docker)
    assert raw(f"{app}:list")["mediaType"] == docker


def test_what_is_not_in_an_index_can_t_be_taken_out(
    app: str, registry: RealRegistry, tmp_path: Path
) -> None:
    words = ("index", "rm", f"{app}:multi", "--platform", "linux/riscv64")
    done = regbot(*words, "-c", str(tmp_path / "bot.yml"), home=tmp_path)
    assert done.returncode == 1
    assert "it lists nothing for linux/riscv64" in done.stderr
    assert platforms(f"{app}:multi") == ["amd64", "arm64", "s390x"]


def test_tags_are_added_and_a_repository_is_copied(app: str, run: Run) -> None:
    run("tag", "add", f"{app}:v1", "v1.0", "stable")
    run("repo", "copy", app, f"{app}-copy", "--include", "v.*")
    assert run("tag", "ls", f"{app}-copy").stdout == "v1\nv1.0\n"
    done = run("repo", "copy", app, f"{app}-copy", "--new-tags", "--dry-run")
    assert "would copy 2 images" in done.stdout
    assert seen(f"docker://{app}:stable")["Digest"] == seen(f"docker://{app}-copy:v1.0")["Digest"]


def test_a_blob_is_copied_to_another_repository(app: str, run: Run) -> None:
    digest = run("manifest", "get", f"{app}:v1", "--format", "{{.Config.Digest}}").stdout.strip()
    run("blob", "copy", app, f"{app}-blobs", digest)
    assert run("blob", "get", f"{app}-blobs", digest).stdout == (
        run("blob", "get", app, digest).stdout
    )


def test_manifests_are_compared(app: str, run: Run) -> None:
    assert run("manifest", "diff", f"{app}:v1", f"{app}:v1").stdout == ""
    lines = run("manifest", "diff", f"{app}:v1", f"{app}:multi", "--context", "1").stdout
    assert lines.startswith(f"--- {app}:v1\n+++ {app}:multi\n@@ ")


def test_an_archive_goes_through_standard_output_to_skopeo(
    app: str, tmp_path: Path, registry: RealRegistry
) -> None:
    import subprocess

    from support.command import REGBOT, environment

    with (tmp_path / "v1.tar").open("wb") as archive:
        command = [REGBOT, "image", "export", f"{app}:v1", "-c", str(tmp_path / "bot.yml")]
        subprocess.run(command, stdout=archive, env=environment(tmp_path), check=True)
    inspected = seen(f"docker-archive:{tmp_path / 'v1.tar'}")
    assert inspected["Labels"] == {"n": "1"}
