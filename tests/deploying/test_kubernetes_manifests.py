"""examples/kubernetes: what Kubernetes reads, with the least rights, and names that fit."""

from __future__ import annotations

import re
import time
from copy import deepcopy

import pytest
import yaml
from lightkube import codecs
from support.command import REGBOT, regbot
from support.examples import EXAMPLES
from support.servers import running

from regbot.units import parse_duration

TO_SPARE = 5.0
"""Seconds between the end of the grace and the kill."""
FILES = sorted((EXAMPLES / "kubernetes").glob("*.yml"))
ALL = [manifest for path in FILES for manifest in yaml.safe_load_all(path.read_text())]


def named(kind):
    return {each["metadata"]["name"]: each for each in ALL if each["kind"] == kind}


def pod_of(manifest):
    """The pod template of a Deployment or a CronJob."""
    spec = manifest["spec"]
    return spec.get("template") or spec["jobTemplate"]["spec"]["template"]


def container_of(pod):
    (container,) = pod["spec"]["containers"]
    return container


def options_of(pod):
    """The options that a pod gives to its command of regbot, each with its value."""
    return dict(word.partition("=")[::2] for word in container_of(pod)["args"][1:])


DEPLOYMENT = named("Deployment")["regbot"]
CRON = named("CronJob")["regbot"]
BOTH = pytest.mark.parametrize("pod", [pod_of(DEPLOYMENT), pod_of(CRON)], ids=["server", "once"])


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
    unknown = deepcopy(DEPLOYMENT)
    container_of(pod_of(unknown))["securityContext"]["readOnlyRootFileSystem"] = True
    assert as_read(unknown) == DEPLOYMENT
    incomplete = deepcopy(DEPLOYMENT)
    del incomplete["spec"]["selector"]
    with pytest.raises(Exception, match="selector"):
        as_read(incomplete)


def test_the_namespace_admits_only_restricted_pods():
    labels = named("Namespace")["regbot"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"].get("namespace", "regbot") for each in ALL} == {"regbot"}


@BOTH
def test_a_pod_is_restricted(pod):
    """The Pod Security Standard "restricted", and a root file system that is read-only."""
    spec, container = pod["spec"], container_of(pod)
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    kinds = {key for volume in spec["volumes"] for key in volume if key != "name"}
    assert kinds <= {"configMap", "secret", "persistentVolumeClaim", "emptyDir"}


@BOTH
def test_a_pod_runs_as_the_user_of_the_image(pod):
    dockerfile = (EXAMPLES.parent / "Dockerfile").read_text()
    context = pod["spec"]["securityContext"]
    assert f"\nUSER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    assert context["fsGroup"] == context["runAsGroup"]


@BOTH
def test_a_pod_has_limits(pod):
    resources = container_of(pod)["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert "memory" in resources["limits"]


@BOTH
def test_what_a_pod_mounts_is_there(pod):
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container_of(pod)["volumeMounts"]}
    assert volumes.keys() == mounts.keys()
    assert volumes["config"]["configMap"]["name"] in named("ConfigMap")
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] in named("PersistentVolumeClaim")
    # Where the image keeps its state, and where archives and clients' certificates are unpacked.
    assert (mounts["state"], mounts["tmp"]) == ("/state", "/tmp")
    page = (EXAMPLES.parent / "docs" / "deploying.md").read_text()
    assert f"create secret generic {volumes['registry']['secret']['secretName']} " in page


@BOTH
def test_a_pod_reads_the_config_and_the_secret_that_it_mounts(pod, tmp_path):
    container = container_of(pod)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    options = options_of(pod)
    key = options["--config"].removeprefix(f"{mounts['config']}/")
    text = named("ConfigMap")["regbot"]["data"][key]
    secrets = re.findall(r'file "([^"]+)"', text)
    assert secrets == [f"{mounts['registry']}/password"]

    (tmp_path / "password").write_text("secret")
    (tmp_path / key).write_text(text.replace(mounts["registry"], str(tmp_path)))
    checked = regbot("check", "-c", key, home=tmp_path, cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    known = regbot(container["args"][0], "--help", home=tmp_path).stdout
    assert [option for option in options if option not in known] == []


def test_one_server_runs_at_a_time_and_has_time_to_end():
    assert DEPLOYMENT["spec"]["replicas"] == 1
    assert DEPLOYMENT["spec"]["strategy"] == {"type": "Recreate"}
    assert CRON["spec"]["concurrencyPolicy"] == "Forbid"
    grace = parse_duration(options_of(pod_of(DEPLOYMENT))["--grace"])
    assert pod_of(DEPLOYMENT)["spec"]["terminationGracePeriodSeconds"] >= grace + TO_SPARE
    assert pod_of(CRON)["spec"]["terminationGracePeriodSeconds"] >= TO_SPARE


def test_probes_service_and_policy_reach_the_port_that_the_server_listens_on():
    container = container_of(pod_of(DEPLOYMENT))
    (port,) = container["ports"]
    listens = options_of(pod_of(DEPLOYMENT))["--listen"]
    assert listens == f"0.0.0.0:{port['containerPort']}"
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    service = named("Service")["regbot"]["spec"]
    assert [each["targetPort"] for each in service["ports"]] == [port["name"]]
    annotations = pod_of(DEPLOYMENT)["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])
    (inward,) = named("NetworkPolicy")["regbot"]["spec"]["ingress"]
    assert [each["port"] for each in inward["ports"]] == [port["containerPort"]]


def test_the_server_answers_to_the_name_of_its_service():
    config = yaml.safe_load(named("ConfigMap")["regbot"]["data"]["regbot.yml"])
    assert config["server"]["hosts"] == ["regbot.regbot.svc"]
    assert named("Service")["regbot"]["metadata"]["namespace"] == "regbot"


@BOTH
def test_selectors_find_their_pods(pod):
    labels = pod["metadata"]["labels"].items()
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"].items() <= labels
    assert named("Service")["regbot"]["spec"]["selector"].items() <= labels
    policy = named("NetworkPolicy")["regbot"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels
    assert policy["policyTypes"] == ["Ingress", "Egress"]


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
