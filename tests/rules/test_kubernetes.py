"""What a cluster runs, as its API tells it."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import sys
from contextlib import contextmanager

import pytest
from support.certificates import Authority
from support.kube import KINDS, TOKEN, kube_server, pod_spec, release, template

from regbot.errors import InvalidValue, Stopped, UseUnknown
from regbot.oci.digest import Digest
from regbot.plan.uses import Uses
from regbot.rules.in_use.cluster_api import open_cluster
from regbot.rules.in_use.json_path import JsonPath
from regbot.rules.in_use.kubernetes import read_cluster
from regbot.rules.in_use.settings import Cluster, Kind
from regbot.stopping import Stop

HEX = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
OTHER = "6891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


class Patient(Stop):
    def wait(self, seconds):
        """No time passes."""


@contextmanager
def cluster(folder, **how):
    """A server, and what reads it."""
    with kube_server(**how) as server:
        server.kubeconfig(folder / "kubeconfig", "eu1")

        def read(stop: Stop | None = None, limits=None, **settings):
            given = Cluster("eu1", folder / "kubeconfig", **settings)
            with open_cluster(given, {}, stop or Stop(), **(limits or {})) as api:
                return read_cluster(given, api)

        yield server, read


def users(seen) -> dict[str, str]:
    return {mention.text: mention.user for mention in reversed(seen.mentions)}


def test_every_workload_and_what_it_leaves_for_a_rollback_is_in_use(tmp_path):
    with cluster(tmp_path) as (server, read):
        server.add("deployments", "web", spec={"replicas": 0, **template("deployment:1")})
        server.add("statefulsets", "db", spec=template("stateful:1"))
        server.add("daemonsets", "agent", spec=template("daemon:1"))
        server.add("replicasets", "web-1", spec=template("replica:1"))
        server.add("controllerrevisions", "db-1", data={"spec": template("revision:1")})
        server.add("jobs", "once", spec=template("job:1"))
        server.add("cronjobs", "daily", spec={"jobTemplate": {"spec": template("cron:1")}})
        server.add("pods", "alone", spec=pod_spec("pod:1"))
        seen = read()
    assert users(seen) == {
        "deployment:1": "deployment prod/web (context eu1)",
        "stateful:1": "stateful set prod/db (context eu1)",
        "daemon:1": "daemon set prod/agent (context eu1)",
        "replica:1": "replica set prod/web-1 (context eu1)",
        "revision:1": "revision prod/db-1 (context eu1)",
        "job:1": "job prod/once (context eu1)",
        "cron:1": "cron job prod/daily (context eu1)",
        "pod:1": "pod prod/alone (context eu1)",
    }
    assert seen.notes == ()


def test_all_containers_and_image_volumes_of_a_pod_are_in_use(tmp_path):
    spec = pod_spec(
        "main:1",
        "side:1",
        initContainers=[{"name": "i", "image": "init:1"}],
        ephemeralContainers=[{"name": "e", "image": "debug:1"}],
        volumes=[{"name": "v", "image": {"reference": "volume:1"}}, {"name": "w", "emptyDir": {}}],
    )
    with cluster(tmp_path) as (server, read):
        server.add("pods", "web", spec=spec)
        assert set(users(read())) == {"main:1", "side:1", "init:1", "debug:1", "volume:1"}


@pytest.mark.parametrize(
    ("image_id", "is_alone"),
    [
        (f"registry.example.org/team/app@sha256:{HEX}", False),  # containerd: of the index
        (f"docker.io/library/app@sha256:{HEX}", False),  # under another name
        (f"docker-pullable://registry.example.org/team/app@sha256:{HEX}", False),  # dockershim
        (f"docker://sha256:{HEX}", True),  # dockershim, of an image built there: its config
        (f"sha256:{HEX}", True),  # containerd, of an image that was loaded: its config
        (HEX, True),  # CRI-O: the image's id, which is the digest of its config
    ],
)
def test_the_digest_that_a_runtime_tells_is_in_use(tmp_path, image_id, is_alone):
    status = {"image": "registry.example.org/team/app:v1", "imageID": image_id}
    with cluster(tmp_path) as (server, read):
        for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            server.objects.clear()
            server.add("pods", "web", spec=pod_spec("app:v2"), status={key: [status]})
            seen = read()
            uses = Uses(mention.use(()) for mention in seen.mentions)
            assert uses.of_digest(Digest("sha256", HEX)) == "pod prod/web (context eu1)"
            assert uses.may_be_configs == is_alone
            assert "registry.example.org/team/app:v1" in users(seen)


def test_a_pod_that_waits_has_no_digest_yet(tmp_path):
    with cluster(tmp_path) as (server, read):
        status = {"containerStatuses": [{"image": "app:1", "imageID": ""}]}
        server.add("pods", "web", spec=pod_spec("app:1"), status=status)
        server.add("deployments", "filled-later", spec=template(" "))
        assert list(users(read())) == ["app:1"]


def test_an_id_that_is_not_understood_stops(tmp_path):
    with cluster(tmp_path) as (server, read):
        server.add("pods", "web", status={"containerStatuses": [{"imageID": "what is this"}]})
        with pytest.raises(UseUnknown, match="pod prod/web"):
            read()


def test_what_no_runtime_could_pull_is_told_and_stops_nothing(tmp_path):
    with cluster(tmp_path) as (server, read):
        server.add("replicasets", "typo", spec=template("Team/App:v1"))
        server.add("pods", "web", spec=pod_spec("app:1"))
        seen = read()
    assert list(users(seen)) == ["app:1"]
    (note,) = seen.notes
    assert note.startswith("replica set prod/typo: ")


MANIFEST = """
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec: &spec
      containers: [{name: c, image: "helm:1", args: [=]}]
      initContainers: [{name: i, image: helm-init:1}]
---
# nothing
---
kind: Rollout
spec: {strategy: {canary: {}}, template: {spec: {<<: *other, containers: [{image: helm:2}]}}}
"""
HOOK = "kind: Job\nspec: {template: {spec: {containers: [{image: hook:1}]}}}"


@pytest.mark.parametrize("packed", [True, False])
def test_the_releases_of_helm_are_in_use(tmp_path, packed):
    manifest = MANIFEST.replace("<<: *other, ", "")
    with cluster(tmp_path) as (server, read):
        server.add("secrets", "sh.helm.v1.web.v1", **release(manifest, [HOOK], packed=packed))
        server.add("secrets", "password", type="Opaque", data={"release": "c2VjcmV0"})
        seen = read()
        assert set(users(seen)) == {"helm:1", "helm-init:1", "helm:2", "hook:1"}
        assert users(seen)["helm:1"] == "Helm release prod/sh.helm.v1.web.v1 (context eu1)"
        assert users(read(helm=False)) == {}
        assert sum("/secrets" in target for target in server.asked) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"data": {"release": "bm8="}},
        {"data": {}},
        {"data": {"release": release("")["data"]["release"][:-40]}},
        release("spec: [}"),
        release("spec: {a: *nothing}"),
    ],
)
def test_a_release_that_can_t_be_read_stops(tmp_path, broken):
    with cluster(tmp_path) as (server, read):
        server.add("secrets", "web.v1", **{"type": "helm.sh/release.v1", **broken})
        with pytest.raises(UseUnknown, match=r"Helm release prod/web\.v1"):
            read()


def test_aliases_that_multiply_are_looked_at_once(tmp_path):
    lines = ["a0: &a0 {containers: [{image: app:1}]}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    with cluster(tmp_path) as (server, read):
        server.add("secrets", "web.v1", **release("\n".join(lines)))
        assert list(users(read())) == ["app:1"]


def test_long_lists_are_read_to_their_end(tmp_path):
    with cluster(tmp_path, page=7) as (server, read):
        for number in range(40):
            server.add("pods", f"web{number}", spec=pod_spec(f"app:{number}"))
        assert len(users(read())) == 40
        assert sum("/pods" in target for target in server.asked) == 6


def test_a_list_whose_next_page_came_too_late_is_begun_again(tmp_path):
    with cluster(tmp_path, page=7, expire=2) as (server, read):
        for number in range(20):
            server.add("pods", f"web{number}", spec=pod_spec(f"app:{number}"))
        assert len(users(read())) == 20
        server.expire = 1000
        with pytest.raises(UseUnknown, match="410"):
            read(Patient())


def test_a_list_whose_pages_have_no_end_stops(tmp_path):
    with cluster(tmp_path, page=7) as (server, read):
        for number in range(20):
            server.add("pods", f"web{number}", spec=pod_spec(f"app:{number}"))
        server.rewrite = lambda page: page["metadata"].update({"continue": "7"})
        with pytest.raises(UseUnknown, match="its deployments can't be listed: its pages have no"):
            read()
        assert len(server.asked) == 2


def test_a_cluster_has_a_time(tmp_path):
    seconds = itertools.count()
    with cluster(tmp_path, page=1) as (server, read):
        for number in range(200):
            server.add("pods", f"web{number}", spec=pod_spec(f"app:{number}"))
        with pytest.raises(UseUnknown, match="did not answer within 1m"):
            read(limits={"clock": lambda: float(next(seconds))})
        assert len(server.asked) < 60


def test_an_answer_has_a_largest_size(tmp_path):
    with cluster(tmp_path) as (server, read):
        server.add("pods", "web", spec=pod_spec("app:1"), text="x" * 5000)
        assert list(users(read(limits={"largest": 6000}))) == ["app:1"]
        with pytest.raises(UseUnknown, match=r"its pods can't be listed: .* limit of 5000 bytes"):
            read(limits={"largest": 5000})


@pytest.mark.parametrize(
    "broken",
    [
        {"items": None},
        {"items": {}},
        {"items": ["a"]},
        {"metadata": ["a"]},
        {"metadata": {"continue": 7}},
    ],
)
def test_a_list_that_is_not_understood_stops(tmp_path, broken):
    with cluster(tmp_path) as (server, read):
        server.rewrite = lambda page: page.update(broken)
        with pytest.raises(UseUnknown, match="its deployments can't be listed"):
            read()


@pytest.mark.parametrize("resource", KINDS)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_kind_that_can_t_be_listed_stops(tmp_path, resource, status):
    with cluster(tmp_path, refuse={resource: status}) as (server, read):
        server.add("pods", "web", spec=pod_spec("app:1"))
        with pytest.raises(UseUnknown, match=f"its {resource} can't be listed: {status}"):
            read()


def test_a_fault_that_passes_is_waited_for(tmp_path):
    with cluster(tmp_path, refuse={"jobs": 503}) as (server, read):
        server.add("jobs", "once", spec=template("job:1"))
        waits = []

        class Mending(Stop):
            def wait(self, seconds):
                waits.append(seconds)
                server.refuse.clear()

        assert list(users(read(Mending()))) == ["job:1"]
        assert len(waits) == 1


def test_further_kinds_are_read_by_a_path_and_by_their_pod_specs(tmp_path):
    kinds = {**KINDS, "rollouts": "argoproj.io/v1alpha1", "models": "example.org/v1"}
    path = JsonPath.parse("{.spec.images[*]['name']}")
    given = (Kind.parse("argoproj.io/v1alpha1/rollouts"), Kind.parse("example.org/v1/models", path))
    with cluster(tmp_path, kinds=kinds) as (server, read):
        server.add("rollouts", "web", spec=template("rollout:1"))
        server.add("models", "big", spec={"images": [{"name": "model:1"}, {"name": "model:2"}]})
        server.add("models", "none", spec={})
        assert users(read(kinds=given)) == {
            "rollout:1": "rollout prod/web (context eu1)",
            "model:1": "model prod/big (context eu1)",
            "model:2": "model prod/big (context eu1)",
        }


@pytest.mark.parametrize("path", [".spec.image", ".spec.images", ".spec.images[7].name"])
def test_a_path_that_leads_to_no_image_stops(tmp_path, path):
    given = (Kind.parse("example.org/v1/models", JsonPath.parse(path)),)
    with cluster(tmp_path, kinds={**KINDS, "models": "example.org/v1"}) as (server, read):
        assert users(read(kinds=given)) == {}
        server.add("models", "big", spec={"images": [{"name": "model:1"}]})
        with pytest.raises(UseUnknown, match=r"\.spec\.image"):
            read(kinds=given)


def test_a_context_is_found_in_any_of_the_usual_files(tmp_path):
    with kube_server() as server:
        server.kubeconfig(tmp_path / "one", "us1")
        server.kubeconfig(tmp_path / "two", "eu1")
        listed = f"{tmp_path}/gone:{tmp_path}/one:{tmp_path}/two"
        with open_cluster(Cluster("eu1"), {"KUBECONFIG": listed}, Stop()) as api:
            assert read_cluster(Cluster("eu1"), api).mentions == ()
        with (
            pytest.raises(UseUnknown, match=r"no such context in .*/two"),
            open_cluster(Cluster("asia"), {"KUBECONFIG": listed}, Stop()),
        ):
            pass


def test_a_kubeconfig_that_can_t_be_used_stops(tmp_path):
    path = tmp_path / "kubeconfig"
    for content in ("nothing", "{}", '{"clusters": [], "users": [], "contexts": [{}]}'):
        path.write_text(content)
        with (
            pytest.raises(UseUnknown, match="kubeconfig"),
            open_cluster(Cluster("eu1", path), {}, Stop()),
        ):
            pass


def test_nobody_who_answers_stops(tmp_path):
    with kube_server() as server:
        server.kubeconfig(tmp_path / "kubeconfig", "eu1")

    with (
        open_cluster(Cluster("eu1", tmp_path / "kubeconfig"), {}, Patient()) as api,
        pytest.raises(UseUnknown, match="no answer"),
    ):
        read_cluster(Cluster("eu1"), api)


def test_a_refused_login_shows_no_token(tmp_path):
    with kube_server() as server:
        server.kubeconfig(tmp_path / "kubeconfig", "eu1", token="s3cret")
        given = Cluster("eu1", tmp_path / "kubeconfig")
        with open_cluster(given, {}, Stop()) as api, pytest.raises(UseUnknown) as caught:
            read_cluster(given, api)
    assert "401" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def login_by(path, program: str, version: str = "v1") -> None:
    """Let the user of a kubeconfig log in by a program in Python."""
    content = json.loads(path.read_text())
    content["users"][0]["user"] = {
        "exec": {
            "apiVersion": f"client.authentication.k8s.io/{version}",
            "command": sys.executable,
            "args": ["-c", f"import os, json\n{program}"],
            "env": [{"name": "TOKEN", "value": TOKEN}],
        }
    }
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_program_may_give_the_token(tmp_path, version):
    program = """
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
answer = {"token": os.environ["TOKEN"], "expirationTimestamp": "2030-01-01T00:00:00Z"}
print(json.dumps({**asked, "status": answer}))
"""
    with kube_server() as server:
        path = tmp_path / "kubeconfig"
        server.kubeconfig(path, "eu1")
        login_by(path, program, version)
        with open_cluster(Cluster("eu1", path), {}, Stop()) as api:
            assert read_cluster(Cluster("eu1"), api).mentions == ()


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise SystemExit('s3cret')", "failed"),
        ("print('s3cret')", "printed no credentials"),
        ('print(\'{"status": {"token": ["s3cret"]}}\')', "printed no credentials"),
        ("print('s3cret' * 1000000)", "too much output"),
    ],
)
def test_a_program_that_gives_no_token_is_not_quoted(tmp_path, program, why):
    with kube_server() as server:
        path = tmp_path / "kubeconfig"
        server.kubeconfig(path, "eu1")
        login_by(path, program)
        with (
            pytest.raises(UseUnknown, match=why) as caught,
            open_cluster(Cluster("eu1", path), {}, Stop()),
        ):
            pass
    assert "s3cret" not in str(caught.value)


def test_a_program_beside_the_kubeconfig_may_give_a_certificate(tmp_path):
    authority = Authority.make(tmp_path / "ca")
    certificate, key = authority.sign("robot")
    own, own_key = authority.sign("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, own_key)
    context.load_verify_locations(tmp_path / "ca" / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    pair = {"clientCertificateData": certificate.read_text(), "clientKeyData": key.read_text()}
    (tmp_path / "answer.json").write_text(json.dumps({"status": pair}))
    (tmp_path / "login").write_text(f"#!/bin/sh\ncat {tmp_path}/answer.json\n")
    (tmp_path / "login").chmod(0o755)
    with kube_server(tls=context, login="") as server:
        path = tmp_path / "kubeconfig"
        server.kubeconfig(path, "eu1")
        content = json.loads(path.read_text())
        content["clusters"][0]["cluster"]["certificate-authority"] = "ca/ca.crt"
        version = "client.authentication.k8s.io/v1"
        content["users"][0]["user"] = {"exec": {"apiVersion": version, "command": "./login"}}
        path.write_text(json.dumps(content))
        with open_cluster(Cluster("eu1", path), {"PATH": os.environ["PATH"]}, Stop()) as api:
            assert read_cluster(Cluster("eu1"), api).mentions == ()


def test_in_a_cluster_the_service_account_of_the_pod_is_used(tmp_path, monkeypatch):
    from lightkube.config.kubeconfig import KubeConfig

    authority = Authority.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server"))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "namespace").write_text("regbot")
    place = KubeConfig.from_service_account.__func__
    monkeypatch.setattr(place, "__defaults__", (str(tmp_path),))
    with kube_server(tls=context) as server:
        host, port = server.url.removeprefix("https://").split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        server.add("pods", "web", spec=pod_spec("app:1"))
        with open_cluster(Cluster(), {}, Stop()) as api:
            assert users(read_cluster(Cluster(), api)) == {"app:1": "pod prod/web (this cluster)"}


def test_inside_a_cluster_there_has_to_be_a_service_account():
    with (
        pytest.raises(UseUnknown, match="its kubeconfig can't be used"),
        open_cluster(Cluster(), {}, Stop()),
    ):
        pass


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightkube.config.client_adapter", None)
    with (
        pytest.raises(UseUnknown, match=r"pip install '\.\[kubernetes\]'"),
        open_cluster(Cluster("eu1"), {}, Stop()),
    ):
        pass


def test_a_run_that_is_stopped_reads_no_further(tmp_path):
    with cluster(tmp_path) as (server, read):
        server.add("deployments", "web", spec=template("app:1"))
        stop = Stop()
        stop.ask()
        with pytest.raises(Stopped):
            read(stop)
        assert server.asked == []


@pytest.mark.parametrize("text", ["", ".", ".a[", ".a[b]", ".a..b", "{.a}x", "{}"])
def test_a_path_that_can_t_be_read_is_a_mistake(text):
    with pytest.raises(InvalidValue):
        JsonPath.parse(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (".a.b", [1]),
        ("$.a.b", [1]),
        ("{.a.b}", [1]),
        ("a.b", [1]),
        (".c[*].d", [2, 3]),
        (".c[1].d", [3]),
        ("['e.f']", [4]),
        (".a.*", [1]),
        (".c.d", []),
        (".c[9]", []),
    ],
)
def test_a_path_leads_to_values(text, values):
    root = {"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}], "e.f": 4}
    assert list(JsonPath.parse(text).values(root)) == values
