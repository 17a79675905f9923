"""The section inUse: what it makes, and what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.configs import load, problems

from regbot.rules.in_use.mention import Rewrite
from regbot.rules.in_use.settings import Cluster, Command, ComposeFile, ImageList

HERE = Path("conf")


def in_use(text: str, script: str = ""):
    given = f", inUse: {script}" if script else ""
    config = load(
        f"defaults: {{inUse: {text}}}\nscripts: [{{name: a, script: b{given}}}]", base=HERE
    )
    (only,) = config.scripts
    return only.in_use


def test_every_kind_of_source_is_read():
    settings = in_use(
        "{kubernetes: {contexts: [eu1, us1], kubeconfig: kube.yml}, compose: [a.yml, sub/b.yml],"
        " file: images.txt, command: [list, --all], seenWithin: 7d,"
        " rewrite: {mirror.example/hub: docker.io}}"
    )
    assert settings.sources == (
        Cluster("eu1", HERE / "kube.yml"),
        Cluster("us1", HERE / "kube.yml"),
        ComposeFile(HERE / "a.yml"),
        ComposeFile(HERE / "sub/b.yml"),
        ImageList(HERE / "images.txt"),
        Command(("list", "--all"), HERE),
    )
    assert settings.rewrites == (Rewrite("mirror.example/hub", "docker.io"),)
    assert settings.seen_within == 7 * 86400


def test_a_cluster_may_be_the_one_regbot_runs_in():
    (own, other) = in_use("{kubernetes: {inCluster: yes, contexts: [eu1], helm: false}}").sources
    assert (own.name, other.name) == ("this cluster", "context eu1")
    assert (own.helm, other.helm) == (False, False)


def test_further_kinds_have_a_resource_and_may_have_a_path():
    kind = "{resource: argoproj.io/v1alpha1/rollouts, images: '{.spec.images[*]}'}"
    text = f"{{kubernetes: {{contexts: [eu1], kinds: [{kind}, {{resource: v1/podtemplates}}]}}}}"
    (cluster,) = in_use(text).sources
    first, second = cluster.kinds
    assert (first.group, first.version, first.resource) == ("argoproj.io", "v1alpha1", "rollouts")
    assert first.path.steps == ("spec", "images", None)
    assert (second.group, second.version, second.resource, second.path) == (
        *("", "v1", "podtemplates"),
        None,
    )


def test_a_script_adds_to_the_defaults():
    settings = in_use("{file: a.txt, seenWithin: 7d}", "{file: b.txt, seenWithin: 1d}")
    assert [source.name for source in settings.sources] == ["conf/b.txt", "conf/a.txt"]
    assert settings.seen_within == 7 * 86400
    assert in_use("{file: a.txt}", "{file: a.txt, seenWithin: 1d}").seen_within == 86400


def test_without_the_section_nothing_is_in_use():
    config = load("scripts: [{name: a, script: b}]")
    assert config.in_use.sources == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{}", "no source is named"),
        ("{seenWithin: 7d}", "no source is named"),
        ("{kubernetes: {}}", "no cluster is named"),
        ("{kubernetes: in-cluster}", "inCluster: true"),
        ("{kubernetes: {contexts: []}}", "no cluster is named"),
        ("{kubernetes: {inCluster: no}}", "no cluster is named"),
        ("{kubernetes: {contexts: ['']}}", "context is empty"),
        ("{kubernetes: {context: [eu1]}}", "did you mean contexts?"),
        ("{kubernetes: {contexts: [a], kinds: [{resource: rollouts}]}}", "group/version/resource"),
        ("{kubernetes: {contexts: [a], kinds: [{images: .a}]}}", "resource is missing in a kind"),
        ("{kubernetes: {contexts: [a], kinds: [{resource: v1/a, images: '.a['}]}}", "the path"),
        ("{compose: compose.yml}", "expected a list"),
        ("{file: ''}", "the name is empty"),
        ("{command: list-images}", "expected a list"),
        ("{command: []}", "the command is empty"),
        ("{command: ['']}", "the command is empty"),
        ("{file: a.txt, rewrite: [a]}", "expected a mapping"),
        ("{file: a.txt, rewrite: {hub: docker.io}}", "does not begin with a registry"),
        ("{file: a.txt, rewrite: {mirror.example: 'A B'}}", "write registry or registry/path"),
        ("{file: a.txt, seenWithin: 7}", "without a unit"),
        ("{files: [a.txt]}", "did you mean file?"),
    ],
)
@pytest.mark.parametrize("place", ["defaults", "script"])
def test_mistakes_are_found_with_their_place(text, what, place):
    script = "scripts: [{name: a, script: b"
    if place == "defaults":
        lines = problems(f"{script}}}]\ndefaults:\n  inUse: {text}")
    else:
        lines = problems(f"{script}, inUse: {text}}}]")
    (line,) = lines
    assert what in line
    assert line.startswith("bot.yml:3:" if place == "defaults" else "bot.yml:1:")
