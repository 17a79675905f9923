"""registry -> folder -> archive -> registry keeps the digest, with skopeo as a witness."""

import json

import pytest
from support.command import regbot
from support.images import make_image, make_index
from support.raw import push_raw
from support.servers import docker_registry, skopeo

IMAGES = {
    "image": lambda: make_image(labels={"a": "b"}),
    "docker": lambda: make_image(docker=True),
    "index": lambda: make_index(
        {name: make_image(platform=name) for name in ("linux/amd64", "linux/arm64")}
    ),
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.mark.parametrize("kind", IMAGES)
def test_there_and_back_again(registry, tmp_path, kind):
    digest = push_raw(registry, f"from/{kind}", "v1", IMAGES[kind]())
    script = f"""
        image.copy("{registry.host}/from/{kind}:v1", "ocidir://{tmp_path}/folder:v1")
        image.exportTar("ocidir://{tmp_path}/folder:v1", "v1.tar")
        image.importTar("{registry.host}/to/{kind}:v1", "v1.tar")
        return manifest.head("{registry.host}/to/{kind}:v1").Digest
    """
    config = tmp_path / "bot.yml"
    creds = [{"registry": registry.host, "tls": "disabled"}]
    config.write_text(json.dumps({"creds": creds}))
    done = regbot("run", "-e", script, "-c", str(config), "--json", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == digest
    assert registry.digest(f"to/{kind}", "v1") == digest
    target = tmp_path / "by-skopeo"
    skopeo("copy", "--all", f"oci-archive:{tmp_path}/v1.tar", f"dir:{target}")
    if kind != "docker":  # skopeo finds only OCI media types in a layout folder
        skopeo("copy", "--all", f"oci:{tmp_path}/folder:v1", f"dir:{target}-2")
    source = f"docker://{registry.host}/to/{kind}:v1"
    skopeo("copy", "--all", "--src-tls-verify=false", source, f"dir:{target}-3")
    original = registry.raw("GET", f"/v2/from/{kind}/manifests/{digest}", headers=ACCEPT)[2]
    copies = sorted(tmp_path.glob("by-skopeo*"))
    assert len(copies) == (2 if kind == "docker" else 3)
    assert {(folder / "manifest.json").read_bytes() for folder in copies} == {original}


ACCEPT = {
    "Accept": ", ".join(
        (
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        )
    )
}
