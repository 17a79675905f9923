"""``retention`` and ``repositories``: what they say, and each mistake with its place."""

from __future__ import annotations

import pytest
from support.configs import load, problems

from regbot.rules.policy import Newest, Policy, Rule

FULL = r"""
    scripts:
      - name: ci images
        repositories: {registry: registry.example.org, match: ["team/*"], except: [team/base]}
        schedule: "5 2 * * *"
        retention:
          keep:
            - {tags: [latest, "v*"]}
            - {tags: ["regex:release-.*"], newest: {count: 10, by: semver}}
            - {tags: ["ci-*"], newest: {count: 5, by: created, per: "ci-(.*)-\\d+"}}
            - {newer: {than: 14d, by: created}}
            - {older: {than: 1h}, labels: {keep: "true"}}
          delete: [{tags: ["ci-*", "pr-*"]}]
          referrers: with-subject
          untagged: keep
    """


def retention(*lines: str, repositories: str = "[registry.example.org]") -> str:
    """A script with one policy; its first line is the fifth of the file."""
    rules = "".join(f"      {line}\n" for line in lines)
    return f"scripts:\n  - name: a\n    repositories: {repositories}\n    retention:\n{rules}"


def keep(rule: str) -> str:
    return retention("keep:", f"  - {rule}")


def texts(patterns):
    return [pattern.text for pattern in patterns]


def test_a_policy_says_what_stands_there():
    (script,) = load(FULL).scripts
    policy = script.work
    assert texts(policy.keep[0].tags) == ["latest", "v*"]
    assert policy.keep[1].newest == Newest(10, "semver")
    assert policy.keep[2].newest.per.groups("ci-main-7") == ("main",)
    assert policy.keep[3] == Rule(newer_than=14 * 86400.0)
    assert policy.keep[4] == Rule(older_than=3600.0, labels=(("keep", "true"),))
    assert texts(policy.delete) == ["ci-*", "pr-*"]
    assert (policy.referrers, policy.allow_empty) == ("with-subject", False)
    assert (script.text, script.schedule) == (b"", "5 2 * * *")


def test_what_is_left_out_has_its_default():
    (script,) = load(keep("{newest: {count: 3}}")).scripts
    assert script.work == Policy(keep=(Rule(newest=Newest(3, "created")),))


@pytest.mark.parametrize(
    ("repositories", "taken", "names"),
    [
        ("{registry: r.example, match: ['team/*'], except: [team/base]}", {"team/app"}, None),
        ("{registry: r.example}", {"team/app", "team/base", "other"}, None),
        ("[r.example]", {"team/app", "team/base", "other"}, None),
        ("[r.example/team/app]", {"team/app"}, ("team/app",)),
        ("{registry: r.example, match: [team/app, other]}", {"team/app", "other"}, None),
        ("[{registry: r.example, match: ['regex:team/.+']}]", {"team/app", "team/base"}, None),
    ],
)
def test_repositories_are_named_or_fit_patterns(repositories, taken, names):
    (script,) = load(retention("keep: [{tags: [v1]}]", repositories=repositories)).scripts
    (part,) = script.repositories
    assert part.registry == "r.example"
    assert {name for name in ("team/app", "team/base", "other") if part.takes(name)} == taken
    assert names is None or part.names == names


def test_a_list_may_name_several_registries_and_repositories():
    text = retention("keep: [{tags: [v1]}]", repositories="[r.example, alpine, r.example/a/b]")
    (script,) = load(text).scripts
    assert [(part.registry, part.names) for part in script.repositories] == [
        ("r.example", None),
        ("docker.io", ("library/alpine",)),
        ("r.example", ("a/b",)),
    ]


def test_names_of_docker_hub_are_filled_in():
    repositories = "{registry: docker.io, match: [alpine]}"
    (script,) = load(retention("keep: [{tags: [v1]}]", repositories=repositories)).scripts
    assert script.repositories[0].names == ("library/alpine",)


def test_docker_hub_names_are_filled_in_where_they_are_left_out():
    repositories = "{registry: docker.io, match: ['*'], except: [alpine]}"
    (script,) = load(retention("keep: [{tags: [v1]}]", repositories=repositories)).scripts
    assert not script.repositories[0].takes("library/alpine")


MISTAKES = {
    # what belongs together
    "scripts:\n  - {name: a, script: x, retention: {keep: [{tags: [v1]}]}}\n": [
        "2:26: a script can't have both script and retention (remove one)",
        "2:26: retention needs repositories (add repositories: and a list)",
    ],
    "scripts:\n  - {name: a, script: x, repositories: [r.example], args: {repo: b}}\n": (
        "2:60: args.repo is set for each of repositories (remove it here)"
    ),
    "scripts:\n  - {name: a}\n": (
        "2:5: a script needs script, file or retention (add script: | and the Lua text)"
    ),
    # repositories
    retention("keep: [{tags: [v]}]", repositories="{match: [a]}"): (
        "3:19: registry is missing in repositories (add registry: ...)"
    ),
    retention("keep: [{tags: [v]}]", repositories="{registry: r.example, matches: [a]}"): (
        "3:41: unknown key 'matches' (did you mean match?)"
    ),
    retention("keep: [{tags: [v]}]", repositories="[]"): (
        "3:19: repositories: the list is empty (name a registry, or a repository)"
    ),
    retention("keep: [{tags: [v]}]", repositories="[r.example/app:v1]"): (
        "3:20: repositories: r.example/app:v1 is an image (leave the tag and the digest out)"
    ),
    retention("keep: [{tags: [v]}]", repositories="['ocidir://a']"): (
        "3:20: repositories: ocidir://a is a layout folder (name a registry, or a repository)"
    ),
    retention("keep: [{tags: [v]}]", repositories="{registry: r.example, match: []}"): (
        "3:48: match: the list is empty (write a pattern, or remove the key)"
    ),
    # rules
    retention("kept: [{tags: [v1]}]"): [
        "4:5: retention without keep and delete would delete every tag (add rules under keep)",
        "5:7: unknown key 'kept' (did you mean keep?)",
    ],
    retention("allowEmpty: true"): (
        "4:5: retention without keep and delete would delete every tag (add rules under keep)"
    ),
    retention("keep: [{tags: [v1]}]", "delete: []"): (
        "6:7: delete names no tags, so every tag could go (add - tags: [...], or remove it)"
    ),
    retention("keep: [{tags: [v1]}]", "delete: [{}]"): (
        "6:16: tags is missing in an entry of delete (add tags: ...)"
    ),
    keep("{}"): "6:11: a rule without conditions keeps every tag (add tags: [...])",
    keep("{tag: [v1]}"): "6:12: unknown key 'tag' (did you mean tags?)",
    keep("{tags: v1}"): "6:18: tags: expected a list, not a string (begin each entry with -)",
    keep("{tags: []}"): "6:18: tags: the list is empty (write a pattern, or remove the key)",
    keep("{tags: ['regex:(']}"): (
        "6:19: tags: 'regex:(' is not a regular expression: missing ) at position 1"
        " (write a glob such as v*, or regex:...)"
    ),
    keep("{newest: 5}"): (
        "6:20: newest: expected a mapping of keys and values, not a string (write key: value)"
    ),
    keep("{newest: {by: semver}}"): "6:20: count is missing in newest (add count: ...)",
    keep("{newest: {count: 0}}"): "6:28: count: the newest 0 are none (write 1 or more)",
    keep("{newest: {count: 1, by: date}}"): (
        "6:35: by: expected created, semver or name, not 'date' (write one such as by: created)"
    ),
    keep("{newest: {count: 1, by: pushed}}"): (
        "6:35: by: registries don't tell when an image was pushed"
        " (write by: created, which is the date in the image)"
    ),
    keep("{newest: {count: 1, per: 'ci-.*'}}"): (
        "6:36: per: 'ci-.*' has no group (put what makes the group in brackets)"
    ),
    keep("{newer: {than: 14}}"): (
        "6:26: than: '14' is a duration without a unit (write 14s for seconds, 14d for days)"
    ),
    keep("{newer: {than: 14d, by: pulled}}"): (
        "6:35: by: registries don't tell when an image was pulled"
        " (write by: created, which is the date in the image)"
    ),
    keep("{older: {by: created}}"): "6:19: than is missing in an age (add than: ...)",
    keep("{newer: {than: 1d}, older: {than: 20d}}"): (
        "6:11: nothing is newer than 1d and older than 20d (write two rules)"
    ),
    keep("{labels: [keep]}"): (
        '6:20: labels: expected a mapping, not a list (write one such as {keep: "true"})'
    ),
    keep("{inUse: true}"): ("6:12: inUse needs a list of where images run (remove the condition)"),
    retention("keep: [{tags: [v]}]", "untagged: delete"): (
        "6:17: untagged: 'delete' is not possible, because registries don't list manifests"
        " without a tag (write untagged: keep, or remove it)"
    ),
    retention("keep: [{tags: [v]}]", "referrers: delete"): (
        "6:18: referrers: expected with-subject or keep, not 'delete'"
        " (write referrers: with-subject)"
    ),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items())
def test_a_mistake_has_its_place_and_what_to_do(text, expected):
    lines = [expected] if isinstance(expected, str) else expected
    assert problems(text) == [f"bot.yml:{line}" for line in lines]


def test_in_use_of_a_rule_can_only_be_true():
    (line, *_) = [line for line in problems(keep("{inUse: false}")) if "not in use" in line]
    assert line.endswith("(write inUse: true, or remove it)")


FIT_NO_TAG = {
    "{latest,stable}": "globs have no {a,b} (write two patterns)",
    "v{1,2}*": "globs have no {a,b} (write two patterns)",
    "v 1": "' ' can't be in one (write a glob such as v*)",
    "v1,v2": "',' can't be in one (write a glob such as v*)",
    "^v1$": "'^' can't be in one (write a glob such as v*)",
    "v[": "'[' can't be in one (write a glob such as v*)",
    "v[+ ]": "'[+ ]' can't be in one (write a glob such as v*)",
    "-rc*": "'-' can't be at the beginning of one (write a glob such as v*)",
    "team/app:v1": "'/' can't be in one (write the tag alone)",
}


@pytest.mark.parametrize(("pattern", "why"), FIT_NO_TAG.items())
def test_a_glob_that_fits_no_tag_is_a_mistake(pattern, why):
    text = f"tags: {pattern!r} fits no tag, because {why}"
    assert problems(keep(f"{{tags: [v1, '{pattern}']}}")) == [f"bot.yml:6:23: {text}"]


@pytest.mark.parametrize("key", ["match", "except"])
@pytest.mark.parametrize(
    ("pattern", "why"),
    {
        "r.example/team/base": "whose names don't begin with it (leave the registry out)",
        "R.example/*": "whose names don't begin with it (leave the registry out)",
        "team/{a,b}": "because globs have no {a,b} (write two patterns)",
        "Team/X": "because 'T' can't be in one (write it in lower case)",
        "team/base:latest": (
            "because ':' can't be in one (leave the registry, the tag and the digest out)"
        ),
        "/team/*": "because '/' can't be at the beginning of one (write a glob such as team/*)",
        "team/": "because '/' can't be at the end of one (write a glob such as team/*)",
    }.items(),
)
def test_a_glob_that_fits_no_repository_is_a_mistake(key, pattern, why):
    repositories = f"{{registry: r.example, {key}: [a, '{pattern}']}}"
    (line,) = problems(retention("keep: [{tags: [v]}]", repositories=repositories))
    assert line.startswith(f"bot.yml:3:{len(key) + 47}: {key}: {pattern!r} fits no repository")
    assert line.endswith(why)


def test_globs_that_fit_something_and_regular_expressions_are_no_mistakes():
    tags = r"['v?.[0-9]*', '[!a]*', '*', 'v1_2-rc.1', 'regex:v{1,2}|a b', 'regex:[/]']"
    names = r"['team/*', '*-[ab]', '[!x]?', 'a.b/c__d', 'regex:(Team|x{2})/.+']"
    repositories = f"{{registry: r.example, match: {names}, except: {names}}}"
    text = retention(f"keep: [{{tags: {tags}}}]", repositories=repositories)
    assert load(text).scripts


def guarded(pattern: str) -> str:
    return f"defaults:\n  guard:\n    protect: ['{pattern}']\n"


@pytest.mark.parametrize(
    ("pattern", "why"),
    {
        "{a,b}": "fits no tag, because globs have no {a,b} (write two patterns)",
        "team/{a,b}:v1": "fits no tag, because globs have no {a,b} (write two patterns)",
        "not a tag": "fits no tag, because ' ' can't be in one (write a glob such as v*)",
        "team/app:v 1": "fits no tag, because ' ' can't be in one (write a glob such as v*)",
        "team/app": "names no tag (write team/app:*)",
    }.items(),
)
def test_a_protected_glob_that_fits_no_reference_is_a_mistake(pattern, why):
    assert problems(guarded(pattern)) == [f"bot.yml:3:15: protect: {pattern!r} {why}"]


@pytest.mark.parametrize(
    "pattern",
    [
        "v*",
        "team/*:v[0-9]",
        "localhost:5000/*",
        "team/*",
        "ocidir://my images:v1",
        "./a b/*",
        "regex:{a b}",
    ],
)
def test_a_protected_glob_may_be_one_of_references(pattern):
    assert load(guarded(pattern)).defaults.guard.protect
