"""regbot from Python, from a script that stands outside the package."""

import subprocess
import sys
import threading

import pytest
from support.library import connect, write_config
from support.registry import TestRegistry

from regbot import Client
from regbot.errors import InvalidValue, NotFound
from regbot.events import Message
from regbot.oci.manifest import OCI_MANIFEST, Manifest
from regbot.oci.tag import Tag
from regbot.plan.outcome import ActionDone

OUTSIDE = """
import sys
from regbot import Client, HostSettings

repository = sys.argv[1]
host = HostSettings(repository.partition("/")[0], tls="disabled")
with Client(hosts=[host], docker_config=False) as client:
    for tag in client.tags(repository):
        if tag.startswith("old"):
            print(client.tag_delete(f"{repository}:{tag}").status)
"""


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
    with Client(config=write_config(tmp_path, registry)) as client:
        assert len(client.tags(f"{registry.host}/app")) == 3


def test_what_is_questionable_in_a_config_is_told(registry, tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(f"creds: [{{registry: '{registry.host}', scheme: http}}]\n")
    heard = []
    with Client(config=path, emit=heard.append):
        assert any("scheme" in event.text for event in heard if isinstance(event, Message))


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


def test_an_image_is_deleted_with_what_only_it_needed(registry):
    repository = f"{registry.host}/app"
    with connect(registry) as client:
        index = client.manifest(f"{repository}:multi")
        outcomes = client.image_delete(f"{repository}:multi", children=True, reason="old")
        assert [outcome.status for outcome in outcomes] == ["done"] * 4
        assert client.outcomes == tuple(outcomes)
        for digest in (index.digest, *(child.digest for child in index.manifests)):
            with pytest.raises(NotFound):
                client.head(f"{repository}@{digest}")
        assert client.tags(repository) == ["new", "old-1"]


def test_an_artifact_is_put_together(registry):
    repository = f"{registry.host}/notes"
    with connect(registry) as client:
        content = client.blob_put(repository, b"hello")
        config = client.blob_put(repository, b"{}")
        manifest = Manifest.build(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": "x/empty", "digest": str(config.digest), "size": 2},
                "layers": [{"mediaType": "x/text", "digest": str(content.digest), "size": 5}],
            }
        )
        client.manifest_put(f"{repository}:today", manifest)
        (layer,) = client.manifest(f"{repository}:today").layers
        assert b"".join(client.blob(repository, layer.digest)) == b"hello"


def test_retention_rules_decide(registry):
    repository = f"{registry.host}/app"
    rules = {"keep": [{"tags": ["new", "multi"]}], "referrers": "keep"}
    with connect(registry) as client:
        decisions = client.retention_decide(repository, rules)
        assert [(each.tag, each.keep) for each in decisions.all] == [
            ("multi", True),
            ("new", True),
            ("old-1", False),
        ]
        for decision in decisions.deleted:
            client.tag_delete(decisions.repository.with_tag(decision.tag), reason=decision.reason)
        assert client.tags(repository) == ["multi", "new"]
        with pytest.raises(InvalidValue, match=r"keep\[1\]\.newst: unknown"):
            client.retention_decide(repository, {"keep": [{"newst": {"count": 1}}]})


def test_clients_of_one_process_take_turns(registry):
    """A delete waits for the put of another client, and looks after it."""
    repository, order = f"{registry.host}/app", []
    is_put, looked = threading.Event(), threading.Event()

    def hear(event):
        if isinstance(event, ActionDone):
            is_put.set()
            looked.wait(0.5)
            order.append("put")

    def put():
        with connect(registry, emit=hear) as client:
            client.image_copy(f"{repository}:new", f"{repository}:copied")

    thread = threading.Thread(target=put)
    thread.start()
    assert is_put.wait(60)
    with connect(registry) as client:
        client.tag_delete(f"{repository}:old-1")
        order.append("deleted")
        looked.set()
    thread.join(60)
    assert order == ["put", "deleted"]


def test_a_client_says_what_it_is(registry, tmp_path):
    config = write_config(tmp_path, registry)
    with connect(registry) as client:
        assert repr(client) == "<Client no config, no change, 0 outcomes>"
        client.tag_delete(f"{registry.host}/app:new")
        assert repr(client) == f"<Client no config, run {client.run_id}, 1 outcomes>"
    with Client(config=config, dry_run=True) as client:
        assert repr(client) == f"<Client config={str(config)!r}, dry run, 0 outcomes>"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda client: client.tags(5), "reference: expected str or Reference, got int"),
        (lambda client: client.tag_delete(None), "reference: expected str or Reference, got None"),
        (lambda client: client.repositories(["a"]), "registry: expected str, got list"),
        (lambda client: client.blob("a/b", b"c"), "digest: expected str or Digest, got bytes"),
        (lambda client: client.blob_put("a/b", "text"), "content: expected bytes, got str"),
        (lambda client: client.manifest_put("a/b", {}), "manifest: expected Manifest, got dict"),
        (lambda client: client.image_copy("a", "b", {}), "options: expected CopyOptions, got dict"),
        (lambda client: client.apply("plan.json"), "plan: expected Plan, got str"),
        (lambda client: client.undo(7), "run_id: expected str, got int"),
        (lambda client: client.retention_decide("a", ()), "rules: expected dict, got tuple"),
        (lambda _: Client(hosts="localhost"), "hosts: expected HostSettings, got str"),
        (lambda _: Client(guard={"maxDeletes": 1}), "guard: expected Guard, got dict"),
        (lambda _: Client(config=5), "config: expected str or Path, got int"),
        (lambda _: Client(journal=None), "journal: expected bool or str or Path, got None"),
    ],
)
def test_an_argument_of_a_wrong_type_is_told(registry, call, told):
    with connect(registry) as client, pytest.raises(TypeError) as caught:
        call(client)
    assert str(caught.value).startswith(told)
    assert registry.requests == []
