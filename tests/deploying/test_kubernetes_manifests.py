"""examples/kubernetes: what Kubernetes reads, with the least rights, and names that fit."""

from __future__ import annotations

import re
import time
from copy import deepcopy
from dataclasses import dataclass

import pytest
import yaml
from lightkube import codecs
from support.command import REGBOT, regbot
from support.examples import EXAMPLES
from support.servers import running

from regbot.serve.families import FAMILIES
from regbot.units import parse_duration

TO_SPARE = 5.0
"""Seconds between the end of the grace and the kill."""
FOLDER = EXAMPLES / "kubernetes"


@dataclass(frozen=True, slots=True)
class Example:
    """Files that are applied together, and the pod that they make."""

    files: tuple[str, ...]

    @property
    def all(self):
        """The manifests in the files."""
        texts = [(FOLDER / f"{name}.yml").read_text() for name in self.files]
        return [manifest for text in texts for manifest in yaml.safe_load_all(text)]

    def one(self, kind):
        """The only manifest of a kind."""
        (manifest,) = [each for each in self.all if each["kind"] == kind]
        return manifest

    @property
    def pod(self):
        """The pod template of its Deployment or its CronJob."""
        if "once" in self.files:
            return self.one("CronJob")["spec"]["jobTemplate"]["spec"]["template"]
        return self.one("Deployment")["spec"]["template"]

    @property
    def container(self):
        (container,) = self.pod["spec"]["containers"]
        return container

    @property
    def options(self):
        """The options that the pod gives to its command of regbot, each with its value."""
        return dict(word.partition("=")[::2] for word in self.container["args"][1:])


SERVER = Example(("common", "server"))
ONCE = Example(("common", "once"))
CLUSTER = Example(("cluster",))
EACH = pytest.mark.parametrize(
    "example", [SERVER, ONCE, CLUSTER], ids=["server", "once", "cluster"]
)
SERVERS = pytest.mark.parametrize("example", [SERVER, CLUSTER], ids=["server", "cluster"])
ALL = [manifest for path in sorted(FOLDER.glob("*.yml")) for manifest in Example((path.stem,)).all]


def as_read(manifest):
    """What lightkube reads of a manifest with the types of Kubernetes' own API.

    A key that Kubernetes doesn't know is left out. Raises what lightkube does for a missing
    key or a value of a wrong type.
    """
    return codecs.from_dict(manifest).to_dict()


@pytest.mark.parametrize("manifest", ALL, ids=lambda each: each["kind"])
def test_a_manifest_is_what_kubernetes_reads(manifest):
    assert as_read(manifest) == manifest


def test_what_kubernetes_would_not_read_is_seen():
    deployment = SERVER.one("Deployment")
    unknown = deepcopy(deployment)
    (container,) = unknown["spec"]["template"]["spec"]["containers"]
    container["securityContext"]["readOnlyRootFileSystem"] = True
    assert as_read(unknown) == deployment
    incomplete = deepcopy(deployment)
    del incomplete["spec"]["selector"]
    with pytest.raises(Exception, match="selector"):
        as_read(incomplete)


@EACH
def test_the_namespace_admits_only_restricted_pods(example):
    labels = example.one("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"].get("namespace", "regbot") for each in example.all} == {"regbot"}


@EACH
def test_a_pod_is_restricted(example):
    """The Pod Security Standard "restricted", and a root file system that is read-only."""
    spec = example.pod["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert example.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    kinds = {key for volume in spec["volumes"] for key in volume if key != "name"}
    assert kinds <= {"configMap", "secret", "persistentVolumeClaim", "emptyDir"}


@EACH
def test_a_pod_runs_as_the_user_of_the_image(example):
    dockerfile = (EXAMPLES.parent / "Dockerfile").read_text()
    context = example.pod["spec"]["securityContext"]
    assert f"\nUSER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    assert context["fsGroup"] == context["runAsGroup"]


@EACH
def test_a_pod_has_limits(example):
    resources = example.container["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert "memory" in resources["limits"]


@EACH
def test_what_a_pod_mounts_is_there(example):
    volumes = {volume["name"]: volume for volume in example.pod["spec"]["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in example.container["volumeMounts"]}
    assert volumes.keys() == mounts.keys()
    assert volumes["config"]["configMap"]["name"] == example.one("ConfigMap")["metadata"]["name"]
    if example is not CLUSTER:
        claim = example.one("PersistentVolumeClaim")["metadata"]["name"]
        assert volumes["state"]["persistentVolumeClaim"]["claimName"] == claim
    # Where the image keeps its state, and where archives and clients' certificates are unpacked.
    assert (mounts["state"], mounts["tmp"]) == ("/state", "/tmp")
    page = (EXAMPLES.parent / "docs" / "deploying.md").read_text()
    for volume in volumes.values():
        if "secret" in volume:
            assert f"create secret generic {volume['secret']['secretName']} " in page


@EACH
def test_a_pod_reads_the_config_and_the_secrets_that_it_mounts(example, tmp_path):
    mounts = {mount["name"]: mount["mountPath"] for mount in example.container["volumeMounts"]}
    options = example.options
    key = options["--config"].removeprefix(f"{mounts['config']}/")
    text = example.one("ConfigMap")["data"][key]
    secrets = {f"{mounts['registry']}/password": "secret"}
    if example is CLUSTER:
        url = "postgresql://regbot:secret@db.example.org/regbot\n"
        secrets[f"{mounts['database']}/url"] = url
    assert set(re.findall(r'file "([^"]+)"', text)) == set(secrets)

    for path, content in secrets.items():
        name = path.rpartition("/")[2]
        (tmp_path / name).write_text(content)
        text = text.replace(path, str(tmp_path / name))
    (tmp_path / key).write_text(text)
    checked = regbot("check", "-c", key, home=tmp_path, cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    known = regbot(example.container["args"][0], "--help", home=tmp_path).stdout
    assert [option for option in options if option not in known] == []


@SERVERS
def test_a_server_has_time_to_end(example):
    grace = parse_duration(example.options["--grace"])
    assert example.pod["spec"]["terminationGracePeriodSeconds"] >= grace + TO_SPARE


def test_one_server_works_with_a_folder_at_a_time():
    spec = SERVER.one("Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    cron = ONCE.one("CronJob")["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    assert ONCE.pod["spec"]["terminationGracePeriodSeconds"] >= TO_SPARE


def test_several_servers_share_a_database_and_are_as_many_as_the_queue_needs():
    deployment = CLUSTER.one("Deployment")
    assert "replicas" not in deployment["spec"], "an apply would set them back"
    kinds = {key for volume in CLUSTER.pod["spec"]["volumes"] for key in volume}
    assert "persistentVolumeClaim" not in kinds
    scaled = CLUSTER.one("HorizontalPodAutoscaler")["spec"]
    assert scaled["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    assert 2 <= scaled["minReplicas"] < scaled["maxReplicas"]
    (metric,) = scaled["metrics"]
    name = metric["external"]["metric"]["name"]
    assert name in {family.name for family in FAMILIES}
    # The rule that the comment has for an adapter offers that metric.
    comment = re.search(
        r"^#   (externalRules:\n(?:#.*\n)+)", (FOLDER / "cluster.yml").read_text(), re.MULTILINE
    )
    (rule,) = yaml.safe_load(re.sub(r"(?m)^#   ", "", comment[1]))["externalRules"]
    assert rule["seriesQuery"].startswith(f"{name}{{")
    assert rule["metricsQuery"].count("(") == rule["metricsQuery"].count(")")


@SERVERS
def test_probes_service_and_policy_reach_the_port_that_the_server_listens_on(example):
    container = example.container
    (port,) = container["ports"]
    assert example.options["--listen"] == f"0.0.0.0:{port['containerPort']}"
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    service = example.one("Service")["spec"]
    assert [each["targetPort"] for each in service["ports"]] == [port["name"]]
    annotations = example.pod["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])
    (inward,) = example.one("NetworkPolicy")["spec"]["ingress"]
    assert [each["port"] for each in inward["ports"]] == [port["containerPort"]]


def test_pods_of_a_cluster_reach_the_database():
    egress = CLUSTER.one("NetworkPolicy")["spec"]["egress"]
    assert 5432 in [port["port"] for rule in egress for port in rule["ports"]]


@SERVERS
def test_the_server_answers_to_the_name_of_its_service(example):
    config = yaml.safe_load(example.one("ConfigMap")["data"]["regbot.yml"])
    assert config["server"]["hosts"] == ["regbot.regbot.svc"]
    metadata = example.one("Service")["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("regbot", "regbot")


@EACH
def test_selectors_find_their_pods(example):
    labels = example.pod["metadata"]["labels"].items()
    for manifest in example.all:
        match manifest["kind"]:
            case "Deployment" | "PodDisruptionBudget":
                assert manifest["spec"]["selector"]["matchLabels"].items() <= labels
            case "Service":
                assert manifest["spec"]["selector"].items() <= labels
            case "NetworkPolicy":
                assert manifest["spec"]["podSelector"]["matchLabels"].items() <= labels
                assert manifest["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for spread in example.pod["spec"].get("topologySpreadConstraints", ()):
        assert spread["labelSelector"]["matchLabels"].items() <= labels


def test_a_changed_config_map_is_seen(tmp_path):
    """The node writes a new folder, and turns a link to it (kubelet's atomic writer)."""

    def write(number):
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        script = f"scripts: [{{name: number {number}, interval: 1h, script: return}}]"
        (folder / "regbot.yml").write_text(script)
        (tmp_path / "..data_tmp").symlink_to(folder.name)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    write(1)
    (tmp_path / "regbot.yml").symlink_to("..data/regbot.yml")
    log, config = tmp_path / "log", f"--config={tmp_path / 'regbot.yml'}"
    command = ["env", f"HOME={tmp_path}", REGBOT, "server", config, "--watch"]
    with running(command, log, lambda: "server started" in log.read_text()):
        write(2)
        deadline = time.monotonic() + 60
        while "number 2" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
