"""The pipelines of GitHub and GitLab: what these read, and steps that do what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.command import environment
from support.examples import EXAMPLES
from support.registry import TestRegistry
from support.schemas import require_read_by
from support.tagged import APP, fill

DOCKER = """\
#!/bin/sh
# Stands for an engine: runs what follows the image's name, with the host's files and names.
while [ "$1" != registry.example.org/tools/regbot:1 ]; do shift; done
shift
exec regbot "$@"
"""


def read(name):
    # YAML 1.1 takes `on` for true.
    return yaml.safe_load((EXAMPLES / name).read_text().replace("\non:", '\n"on":'))


@pytest.mark.parametrize(
    ("program", "name"),
    [("github-workflows", "github-workflow.yml"), ("gitlab-ci", "gitlab-ci.yml")],
)
def test_a_pipeline_is_read_by_its_platform(program, name):
    require_read_by(program, EXAMPLES / name)


@pytest.fixture
def registry():
    with TestRegistry() as registry:
        fill(registry)
        yield registry


@pytest.fixture
def folder(tmp_path, registry):
    """A folder as a pipeline finds it, beside a `docker` that runs regbot itself."""
    retention = {"keep": [{"tags": ["kept"]}], "delete": [{"tags": ["old*"]}]}
    repositories = [f"{registry.host}/{APP}"]
    config = {
        "creds": [{"registry": registry.host, "tls": "disabled"}],
        "scripts": [{"name": "old", "repositories": repositories, "retention": retention}],
    }
    (tmp_path / "regbot.yml").write_text(json.dumps(config))
    docker = tmp_path / "programs" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return tmp_path


def run(script, folder, **variables):
    """Run a step of a pipeline as its runner does."""
    plain = environment(folder / "home", **variables)
    programs = (str(folder / "programs"), str(Path(sys.executable).parent), plain["PATH"])
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=plain | {"PATH": ":".join(programs)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def require_plan_and_apply(folder, registry, plan, apply):
    """The one changes nothing, and the other does what it planned and nothing else."""
    before = registry.tags(APP)
    plan()
    assert registry.tags(APP) == before
    registry.tag(APP, "old-since-the-plan", before["same"])
    apply()
    assert registry.tags(APP).keys() == {"same", "kept", "old-since-the-plan"}
    state = folder / "state" / "regbot"
    assert list(state.glob("manifests/sha256/*")), "undo would have nothing to put back"


def test_gitlab_applies_exactly_the_plan(folder, registry):
    pipeline = read("gitlab-ci.yml")
    variables = {"XDG_STATE_HOME": f"{folder}/state", "XDG_CACHE_HOME": f"{folder}/cache"}
    assert pipeline["variables"]["XDG_STATE_HOME"] == "$CI_PROJECT_DIR/state"
    steps = {name: "\n".join(pipeline[name]["script"]) for name in ("plan", "apply")}
    require_plan_and_apply(
        folder,
        registry,
        lambda: run(steps["plan"], folder, **variables),
        lambda: run(steps["apply"], folder, **variables),
    )
    for name in ("plan", "apply"):
        for path in pipeline[name]["artifacts"]["paths"]:
            assert (folder / path).exists()


def test_gitlab_asks_a_person_before_it_applies():
    pipeline = read("gitlab-ci.yml")
    (rule,) = pipeline["apply"]["rules"]
    assert rule == {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", "when": "manual"}
    assert pipeline["apply"]["needs"] == ["plan"]
    assert pipeline["apply"]["environment"] == "registry"


def steps_of(workflow, name):
    """The commands of a job, without those that speak with GitHub."""
    steps = [step["run"] for step in workflow["jobs"][name]["steps"] if "run" in step]
    return "\n".join(step for step in steps if "gh pr" not in step)


def test_github_applies_exactly_the_plan(folder, registry):
    workflow = read("github-workflow.yml")
    variables = workflow["env"] | {"GITHUB_STEP_SUMMARY": f"{folder}/summary.md"}
    require_plan_and_apply(
        folder,
        registry,
        lambda: run(steps_of(workflow, "plan"), folder, **variables),
        lambda: run(steps_of(workflow, "apply"), folder, **variables),
    )
    kept = [
        path
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/upload-artifact@")
        for path in step["with"]["path"].split()
    ]
    assert [path for path in kept if not (folder / path).exists()] == []
    assert (folder / "summary.md").read_text().count("\n# ") == 1


def test_github_gives_the_login_that_deletes_to_what_a_person_approved():
    workflow = read("github-workflow.yml")
    plan, apply = workflow["jobs"]["plan"], workflow["jobs"]["apply"]
    assert "secrets.REGISTRY_PASSWORD" not in json.dumps(plan)
    assert apply["environment"] == "registry"
    assert apply["needs"] == "plan"
    assert apply["if"] == "github.event_name != 'pull_request'"
    assert "head.repo.full_name == github.repository" in plan["if"]
    assert "pull_request_target" not in workflow["on"]
    assert workflow["permissions"] == {"contents": "read"}
