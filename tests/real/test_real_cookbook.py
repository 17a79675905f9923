"""Each example that copies, exports or reports, through the installed command.

The registries are real ones. What came of it is read with skopeo and raw HTTP.
"""

import hashlib
import json
import tarfile

import pytest
from support.command import regbot
from support.examples import EXAMPLES, RECIPES, contents, edited
from support.images import make_image, make_index, make_layer, make_referrer
from support.raw import push_raw
from support.servers import docker_registry, skopeo
from test_real_examples import DELETED

from regbot.oci.manifest import OCI_INDEX, Manifest

APP = "team/app"
RATE = {"RateLimit-Limit": ["100;w=21600"], "RateLimit-Remaining": ["50;w=21600"]}


def test_every_example_is_run():
    here = {f"{name.removeprefix('test_').replace('_', '-')}.yml" for name in globals()}
    run = {example for example, _, _ in DELETED} | here
    assert [path.name for path in RECIPES if path.name not in run] == []


@pytest.fixture
def registry(tmp_path):
    with docker_registry(tmp_path / "registry") as registry:
        yield registry


@pytest.fixture
def other(tmp_path):
    with docker_registry(tmp_path / "other", more={"http": {"headers": RATE}}) as registry:
        yield registry


@pytest.fixture
def home(tmp_path):
    """Where the command is run: its folder for files, apart from the registries'."""
    home = tmp_path / "home"
    home.mkdir()
    return home


def dry_then_live(path, home, *registries):
    """Run in dry run, which changes no byte anywhere, and then for real."""
    folders = [home, *(registry.folder / "storage" for registry in registries)]
    before = [contents(folder) for folder in folders]
    dry = regbot("once", "-c", path, "--dry-run", home=home, cwd=home)
    assert dry.returncode == 0, dry.stderr
    assert [contents(folder) for folder in folders] == before
    live = regbot("once", "-c", path, home=home, cwd=home)
    assert live.returncode == 0, live.stderr
    return dry.stdout


def platforms(text):
    """An index of two images that share a layer."""
    return make_index(
        {
            f"linux/{arch}": make_image(
                platform=f"linux/{arch}", layers=[make_layer("base"), make_layer(text + arch)]
            )
            for arch in ("amd64", "arm64")
        }
    )


def push_signed(registry, tag):
    """An index with both kinds of signatures; their digests by how they are found."""
    image = platforms(tag)
    push_raw(registry, APP, tag, image)
    by_tag = f"sha256-{image.digest.hex}.sig"
    referrer = make_referrer(image.manifest, content=tag.encode())
    push_raw(registry, APP, "", referrer)
    entry = {
        **referrer.manifest.descriptor.to_json(),
        "artifactType": "application/vnd.example.signature",
    }
    listing = Manifest.build({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
    path = f"/v2/{APP}/manifests/sha256-{image.digest.hex}"
    assert registry.raw("PUT", path, listing.raw, {"Content-Type": OCI_INDEX})[0] == 201
    push_raw(registry, APP, by_tag, make_image(created=None, labels={"signs": tag}))
    return image, by_tag, referrer


def raw_by_skopeo(where):
    """The digest of a manifest that skopeo reads."""
    text = skopeo("inspect", "--raw", where).stdout
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_promote_tested(registry, home):
    digest = push_raw(registry, APP, "tested", platforms("new"))
    push_raw(registry, APP, "production", platforms("old"))
    push_raw(registry, APP, "latest", platforms("newest"))
    before = registry.tags(APP)
    path = edited("promote-tested.yml", home, {"registry.example.org": registry})
    dry_then_live(path, home, registry)
    assert registry.tags(APP) == {**before, "production": digest}


def upstream(other):
    """Versions as Docker Hub has them; the tags that should be mirrored."""
    wanted = {"3.20.3", "3.19.10", "3.18.4"}
    others = {"3.19.9", "3.19.0", "3.18.0", "3.9.6", "3.17.9", "3.21.0_rc1", "3.20", "edge"}
    for version in wanted | others:
        push_raw(other, "library/alpine", version, make_image(labels={"version": version}))
    return {name: d for name, d in other.tags("library/alpine").items() if name in wanted}


def test_mirror_newest_minors(registry, other, home):
    wanted = upstream(other)
    registries = {"docker.io": other, "registry.example.org": registry}
    path = edited("mirror-newest-minors.yml", home, registries)
    dry_then_live(path, home, registry, other)
    assert registry.tags("mirror/alpine") == wanted


def test_a_mirror_stops_when_too_few_pulls_are_left(registry, other, home):
    upstream(other)
    registries = {"docker.io": other, "registry.example.org": registry}
    changes = {"spare: 20": "spare: 60", "wait: 6h": "wait: 1s"}
    path = edited("mirror-newest-minors.yml", home, registries, changes)
    done = regbot("once", "-c", path, home=home)
    assert done.returncode == 1
    assert "fewer than 60 pulls are left after waiting for 1s" in done.stderr
    assert registry.tags("mirror/alpine") == {}


def test_copy_with_signatures(registry, other, home):
    _, by_tag, referrer = push_signed(registry, "v1")
    push_raw(registry, APP, "build-7", make_image(labels={"build": "7"}))
    registries = {"registry.example.org": registry, "mirror.example.org": other}
    path = edited("copy-with-signatures.yml", home, registries)
    dry_then_live(path, home, registry, other)
    source, target = registry.tags(APP), other.tags(APP)
    assert "build-7" not in target
    assert (target["v1"], target[by_tag]) == (source["v1"], source[by_tag])
    assert other.digest(APP, str(referrer.digest)) == str(referrer.digest)
    fallback = f"/v2/{APP}/manifests/{by_tag.removesuffix('.sig')}"
    listed = other.raw("GET", fallback, headers={"Accept": OCI_INDEX})[2]
    assert [entry["digest"] for entry in json.loads(listed)["manifests"]] == [str(referrer.digest)]
    copied = f"docker://{other.host}/{APP}:v1"
    skopeo("copy", "--all", "--src-tls-verify=false", copied, f"dir:{home}/copied")


def test_backup_to_tar(registry, home):
    index, _, _ = push_signed(registry, "v1")
    image = make_image(labels={"v": "2"})
    push_raw(registry, APP, "v2", image)
    path = edited("backup-to-tar.yml", home, {"registry.example.org": registry})
    dry_then_live(path, home, registry)
    assert sorted(file.name for file in home.glob("*.tar")) == ["app-v1.tar", "app-v2.tar"]
    for tag, backed_up in (("v1", index), ("v2", image)):
        file = home / f"app-{tag}.tar"
        assert raw_by_skopeo(f"oci-archive:{file}:{tag}") == str(backed_up.digest)
    with tarfile.open(home / "app-v1.tar") as archive:
        names = set(archive.getnames())
    blobs = {digest.hex for child in index.children for digest in child.blobs}
    assert {f"blobs/sha256/{hexes}" for hexes in blobs} <= names


def test_backup_to_ocidir(registry, home):
    index, by_tag, referrer = push_signed(registry, "v1")
    push_raw(registry, APP, "build-7", make_image())
    signature = registry.tags(APP)[by_tag]
    path = edited("backup-to-ocidir.yml", home, {"registry.example.org": registry})
    dry_then_live(path, home, registry)
    layout = home / "backup" / "app"
    assert raw_by_skopeo(f"oci:{layout}:v1") == str(index.digest)
    assert raw_by_skopeo(f"oci:{layout}:{by_tag}") == signature
    assert (layout / "blobs" / "sha256" / referrer.digest.hex).exists()
    assert "build-7" not in (layout / "index.json").read_text()
    skopeo("copy", "--all", f"oci:{layout}:v1", f"dir:{home}/restored")


def test_tags_of_digest(registry, home):
    image = platforms("a")
    for tag in ("v1", "latest", "v1.0"):
        push_raw(registry, APP, tag, image)
    push_raw(registry, APP, "v2", platforms("b"))
    hosts = {"registry.example.org": registry}
    nobody = "sha256:" + "0" * 64
    path = edited("tags-of-digest.yml", home, hosts, {nobody: str(image.digest)})
    assert dry_then_live(path, home, registry).splitlines()[-1] == "would change nothing"
    assert report("tags-of-digest", path, home, registry, digest=image.digest) == [
        "latest",
        "v1",
        "v1.0",
    ]


def test_report_sizes(registry, home):
    small = make_image(labels={"size": "small"})
    push_raw(registry, "team/tool", "v1", small)
    push_raw(registry, "team/tool", "latest", small)
    images = [platforms("a"), platforms("b")]
    for tag, image in zip(("v1", "v2"), images, strict=True):
        push_raw(registry, APP, tag, image)
    path = edited("report-sizes.yml", home, {"registry.example.org": registry})
    dry_then_live(path, home, registry)
    children = [child for image in images for child in image.children]
    assert report("report-sizes", path, home, registry) == [
        {"repository": APP, "tags": 2, "bytes": stored(*children)},
        {"repository": "team/tool", "tags": 2, "bytes": stored(small)},
    ]


def report(name, config, home, registry, **arguments):
    """What a report gives as a one-off."""
    arguments = {"repo": f"{registry.host}/{APP}", "registry": registry.host, **arguments}
    flags = [part for key, value in arguments.items() for part in ("--arg", f"{key}={value}")]
    done = regbot("run", str(EXAMPLES / f"{name}.lua"), "-c", config, "--json", *flags, home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stored(*images):
    """Bytes of the distinct blobs of images."""
    blobs = {digest: content for image in images for digest, content in image.blobs.items()}
    return sum(len(content) for content in blobs.values())
