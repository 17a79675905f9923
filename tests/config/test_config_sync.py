"""``sync``: what entries say, those of regsync among them, and each mistake with its place."""

from __future__ import annotations

import re

import pytest
from support.configs import load, problems

from regbot.config.values import Repositories
from regbot.errors import UsageError
from regbot.image.options import CopyOptions, ReferrerFilter
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.sync.rules import RateLimit, TagRules

OF_REGSYNC = r"""
    version: 1
    creds:
      - registry: registry:5000
        tls: disabled
      - registry: docker.io
        user: "{{env \"HUB_USER\"}}"
        pass: "{{env \"HUB_TOKEN\"}}"
    defaults:
      ratelimit: {min: 100, retry: 15m}
      parallel: 2
      interval: 60m
      backup: "bkup-{{.Ref.Tag}}"
      cacheCount: 500
      cacheTime: 5m
    x-filters: &versions
      allow: ['3', '3\.\d+']
    sync:
      - source: busybox:latest
        target: registry:5000/library/busybox:latest
        type: image
      - source: alpine
        target: registry:5000/library/alpine
        type: repository
        tags: *versions
        tagSets:
          - semverRange: [">=3.1 <4"]
            deny: ['.*-rc.*']
        mediaTypes: [application/vnd.oci.image.index.v1+json]
        platforms: [linux/amd64, linux/arm64]
        digestTags: true
        referrers: true
        referrerFilters:
          - artifactType: application/spdx+json
            annotations: {kind: sbom}
        schedule: "15 3 * * *"
        ratelimit: {retry: 1m}
      - source: registry.example.org
        target: registry:5000/copies
        type: registry
        repos: {allow: ['team/.*'], deny: ['team/private']}
        cleanup: true
        backup: ""
    """


def entry(*lines: str, kind: str = "repository", source: str = "example.org/app") -> str:
    more = "".join(f"    {line}\n" for line in lines)
    return f"sync:\n  - source: {source}\n    target: b.example.org/app\n    type: {kind}\n{more}"


def test_a_config_of_regsync_says_what_stands_there():
    image, repository, registry = load(OF_REGSYNC).scripts
    assert image.name == "busybox:latest to registry:5000/library/busybox:latest"
    assert image.work.source == Reference.parse("docker.io/library/busybox:latest")
    assert (image.interval, image.schedule) == (3600.0, None)
    assert image.work.rate_limit == RateLimit(100, 900.0)
    assert image.work.backup == "bkup-{{.Ref.Tag}}"
    assert (repository.interval, repository.schedule) == (None, "15 3 * * *")
    by_range, by_name = repository.work.tag_sets
    assert by_range.ranges == (">=3.1 <4",)
    assert [pattern.text for pattern in by_name.allow] == ["regex:3", r"regex:3\.\d+"]
    assert by_name.deny == ()
    assert repository.work.options == CopyOptions(
        (Platform.parse("linux/amd64"), Platform.parse("linux/arm64")),
        digest_tags=True,
        referrers=True,
        referrer_filters=(ReferrerFilter("application/spdx+json", (("kind", "sbom"),)),),
    )
    assert repository.work.media_types == {"application/vnd.oci.image.index.v1+json"}
    assert repository.work.rate_limit == RateLimit(100, 300.0)
    assert registry.work.source is None
    (repositories,) = registry.repositories
    assert isinstance(repositories, Repositories)
    names = ("team/app", "team/private", "other")
    assert [repositories.takes(name) for name in names] == [True, False, False]
    assert (registry.work.cleanup, registry.work.backup) == (True, "")


def test_an_entry_has_what_scripts_have():
    text = entry("name: copies", "timeout: 1h", "guard: {maxDeletes: 3}", "enabled: false")
    (script,) = load(f"scripts: []\n{text}").scripts
    assert (script.name, script.timeout, script.enabled) == ("copies", 3600.0, False)
    assert script.guard.max_deletes == 3


def test_without_rules_every_tag_is_copied():
    (script,) = load(entry()).scripts
    assert script.work.tag_sets == ()
    assert script.work.chosen(["a", "b"]) == ["a", "b"]
    assert TagRules().takes("a")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sync:\n  - target: b\n    type: image\n", "source is missing in a sync entry"),
        (entry(kind="tag"), "type: expected image, repository or registry, not 'tag'"),
        (
            entry(source="example.org/app:1"),
            "source: example.org/app:1 has a tag, and a repository is needed",
        ),
        (entry(source="Example.org/App"), "source: reference"),
        (entry(kind="registry"), "source: registry 'example.org/app' is not a host name"),
        (entry("tags: {allow: ['(']}"), "allow: 'regex:(' is not a regular expression"),
        (entry("tags: {semverRange: [newest]}"), "semverRange: 'newest' is not a range"),
        (entry("platform: linux/amd64/v1/v2/v3"), "platform: "),
        (entry("repos: {allow: [a]}"), "repos goes with type registry (remove it)"),
        (entry("cleanup: true", kind="image"), "cleanup goes with type repository and registry"),
        (entry("backup: 'old-{{.Ref.Name}}'"), "backup: template: there is no .Ref.Name here"),
        (entry("backup: '{{.Ref.Tag}}'"), "backup: it would be the tag itself"),
        (entry("backup: '{{.Ref.CommonName}}'"), "backup: it would be the tag itself"),
        (
            entry("backup: 'b.org/old:{{.Ref.Tag}}'", kind="registry", source="example.org"),
            "backup: all repositories would have one backup (write {{.Ref.Repository}} in it)",
        ),
        (entry("tag: {allow: [a]}"), "did you mean tags?"),
        (
            entry("cleanup: true") + entry(kind="image", source="a:1").replace("sync:\n", ""),
            "the entry at line 6 copies to b.example.org/app too, and cleanup would",
        ),
        (
            entry("name: a") + entry("name: a").replace("sync:\n", ""),
            "line 5 has a script named 'a' already",
        ),
    ],
)
def test_each_mistake_has_its_place(text, problem):
    (line,) = problems(text)
    assert problem in line
    assert re.match(r"[\w.]+:\d+:\d+: ", line)


def cleaned(target: str, kind: str = "repository", more: str = "") -> str:
    """A config whose first entry cleans up localhost:5000/a/b or all below localhost:5000/a."""
    name = {"repository": "localhost:5000/a/b", "registry": "localhost:5000/a"}[kind]
    source = {"repository": "example.org/app", "registry": "example.org"}[kind]
    first = f"  - source: {source}\n    target: {name}\n    type: {kind}\n    cleanup: true\n"
    return f"sync:\n{first}  - target: {target}\n{more}"


IMAGE = "    source: a:1\n    type: image\n"
REGISTRY = "    source: example.org\n    type: registry\n    repos: {allow: ['b|c']}\n"


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        (cleaned("127.0.0.1:5000/a/b:1", more=IMAGE), "a/b"),
        (cleaned("LOCALHOST:5000/a/b:1", more=IMAGE), "a/b"),
        (cleaned("'localhost:5000/a/b:{{ \"1\" }}'", more=IMAGE), "a/b"),
        (cleaned("localhost:5000/a", more=REGISTRY), "a/b"),
        (cleaned("localhost:5000/a/x:1", "registry", IMAGE), "a/x"),
        (cleaned("localhost:5000/a", "registry", REGISTRY), "a"),
        (cleaned("localhost:5000/a/b", more=IMAGE).replace("localhost:5000/a", "ocidir://a"), "b"),
        (cleaned("ocidir://./a/b", more=IMAGE).replace("localhost:5000/a", "ocidir://a"), "b"),
        (cleaned("localhost:5000/a/c:1", more=IMAGE), ""),
        (cleaned("localhost:5000/a/b", more=REGISTRY), ""),
        (cleaned("localhost:5000/a", more=REGISTRY.replace("b|c", "c")), ""),
        (cleaned("localhost:5000/ab:1", "registry", IMAGE), ""),
    ],
)
def test_no_other_entry_copies_to_where_one_cleans_up(text, shared):
    if not shared:
        load(text)
        return
    (line,) = problems(text)
    assert line.startswith("bot.yml:5:5: the entry at line 6 copies to ")
    assert f"/{shared} too" in line


def two_registries(first: str, second: str, *, of: str = "localhost:5000/a/b") -> str:
    """A config that copies a registry to localhost:5000/a, cleaned up, and one to ``of``."""
    entries = (("localhost:5000/a", "cleanup: true", first), (of, "cleanup: false", second))
    return "sync:\n" + "".join(
        f"  - {{source: example.org, target: '{target}', type: registry, {more},"
        f" repos: {{{repos}}}}}\n"
        for target, more, repos in entries
    )


@pytest.mark.parametrize(
    ("first", "second", "of"),
    [
        ("", "", "localhost:5000/a/b"),
        ("", "", "127.0.0.1:5000/a/b/c"),
        ("allow: ['b/.*']", "", "localhost:5000/a/b"),
        ("allow: ['b/team-.*']", "allow: [team-a/app]", "localhost:5000/a/b"),
        ("allow: [other, '(b|c)/.*']", "allow: [team]", "localhost:5000/a/b"),
        ("deny: ['b.c/.*', 'b/tea?m/.*']", "allow: ['te?am/.*']", "localhost:5000/a/b"),
        (r"deny: ['b\.*']", "", "localhost:5000/a/b"),
        ("allow: ['team/.*']", "allow: ['team/app']", "localhost:5000/a"),
    ],
)
def test_a_registry_is_not_copied_into_what_another_one_cleans_up(first, second, of):
    (line,) = problems(two_registries(first, second, of=of))
    assert line.startswith("bot.yml:2:")
    assert f"the entry at line 3 copies to {of.replace('127.0.0.1', 'localhost')} too" in line


@pytest.mark.parametrize(
    ("first", "second", "of"),
    [
        ("deny: ['b/.*']", "", "localhost:5000/a/b"),
        ("deny: ['b.*']", "", "localhost:5000/a/b"),
        ("allow: ['team/.*', library]", "", "localhost:5000/a/b"),
        ("deny: ['b/team/.*']", "allow: ['team/.*']", "localhost:5000/a/b"),
        ("allow: ['b/team/.*']", "deny: ['team/.*']", "localhost:5000/a/b"),
        (r"allow: ['b/a\.b/.*']", r"allow: ['a\.c/.*']", "localhost:5000/a/b"),
        ("allow: ['team/.*']", "allow: ['other/.*']", "localhost:5000/a"),
        ("", "", "localhost:5000/ab"),
    ],
)
def test_registries_whose_copies_never_meet_are_no_mistake(first, second, of):
    load(two_registries(first, second, of=of))


def test_the_way_out_that_a_mistake_names_is_one():
    (line,) = problems(two_registries("", ""))
    assert "or deny 'b/.*' under repos at line 2)" in line
    load(two_registries("deny: ['b/.*']", ""))


def test_shared_targets_are_told_with_all_other_mistakes():
    text = two_registries("", "") + "  - {source: a, target: b, type: c}\n  - rubbish\n"
    assert [line.partition(": ")[0] for line in problems(f"{text}scripts: []\nscript: x\n")] == [
        "bot.yml:2:71",
        "bot.yml:4:34",
        "bot.yml:5:5",
        "bot.yml:7:1",
    ]


def test_only_syncs_copy_what_is_missing():
    text = "scripts: [{name: clean, script: tag.ls(), enabled: false}]\n" + entry()
    *_, sync = load(text).copying_what_is_missing().scripts
    assert sync.work.only_missing
    with pytest.raises(UsageError, match=r"'clean' is none \(choose entries with --only\)"):
        load(text.replace(", enabled: false", "")).copying_what_is_missing()


def test_hooks_are_warned_of_as_nobody_runs_them():
    config = load(entry("hooks: {pre: {type: x}}"))
    (warning,) = config.warnings
    assert "hooks are not run (remove them)" in warning


def test_entries_that_are_alike_are_told_apart():
    names = [script.name for script in load(entry() + entry().replace("sync:\n", "")).scripts]
    assert names == [
        "example.org/app to b.example.org/app",
        "example.org/app to b.example.org/app (2)",
    ]
