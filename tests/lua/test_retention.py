"""``retention.decide``: the rules of the config, asked by a script."""

import pytest
from support.images import make_image, push
from support.scripts import run_script_text

from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore


@pytest.fixture
def repository(tmp_path):
    """Tags ``v1`` to ``v3``, ``ci-1`` to ``ci-3``, the higher the older."""
    name = f"ocidir://{tmp_path}/app"
    store = OciDirStore(Reference.parse(name))
    for kind in ("v", "ci-"):
        for number in (1, 2, 3):
            date = f"2024-01-{20 - number}T00:00:00Z"
            push(
                store, make_image(created=date, labels={"is": f"{kind}{number}"}), f"{kind}{number}"
            )
    return name


def run(source, repository, flavour):
    return run_script_text(source, flavour=flavour, arguments={"repo": repository})


def test_each_tag_has_its_decision(repository, flavour):
    source = """
        local decisions = retention.decide(args.repo, {
          keep = {{tags = {"v*"}}, {tags = {"ci-*"}, newest = {count = 1, by = "created"}}},
        })
        local said = {}
        for _, d in ipairs(decisions) do
          said[d.tag] = {d.keep, d.rule or 0, d.reason, d.digest ~= nil}
        end
        return said
    """
    ran = run(source, repository, flavour)
    assert ran.error is None
    (said,) = ran.value
    assert said["v2"] == [True, 1, "kept by rule 1: tags v*", False]
    assert said["ci-1"] == [True, 2, "kept by rule 2: newest 1 by date", True]
    reason = "no rule keeps it (rule 2: number 3 by date, only the newest stays)"
    assert said["ci-3"] == [False, 0, reason, True]
    assert len(said) == 6


def test_a_script_deletes_by_the_decisions(repository, flavour):
    source = """
        for _, d in ipairs(retention.decide(args.repo, {keep = {{newest = {count = 2}}}})) do
          if not d.keep then
            tag.delete(reference.new(args.repo):tag(d.tag), {reason = d.reason})
          end
        end
        return tag.ls(args.repo)
    """
    ran = run(source, repository, flavour)
    assert ran.error is None
    assert sorted(ran.value[0]) == ["ci-1", "v1"]
    assert ran.outcomes[0].action.reason.startswith("no rule keeps it (rule 1: number ")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("{}", "expected a table such as {keep = {...}}"),
        ("{keep = {}}", "retention without keep and delete would delete every tag"),
        ("{keep = {{tag = {'v*'}}}}", "keep[1].tag: unknown key 'tag' (did you mean tags?)"),
        ("{keep = {{tags = {'{a,b}'}}}}", "keep[1].tags[1]: '{a,b}' fits no tag"),
        ("{keep = {{newest = {count = 0}}}}", "keep[1].newest.count: the newest 0 are none"),
        ("{keep = {{tags = {'v*'}}, {inUse = true}}}", "keep[2].inUse: inUse needs a list"),
        ("{keep = {{newest = {count = 1, by = 'pulled'}}}}", "keep[1].newest.by: registries don't"),
        ("{keep = {{tags = {'nothing'}}}}", "the rules keep none of 6 tags"),
        ("'keep all'", "argument 2 (rules): expected a table, got a string"),
        ("{'v*'}", "expected a table such as {keep = {...}}"),
    ],
)
def test_a_mistake_in_the_rules_names_the_field(repository, flavour, rules, said):
    ran = run(f"retention.decide(args.repo, {rules})", repository, flavour)
    assert str(ran.error).startswith("test:1: retention.decide: ")
    assert said in str(ran.error)


def test_a_pattern_that_takes_ages_is_an_error(tmp_path, flavour):
    name = f"ocidir://{tmp_path}/app"
    push(OciDirStore(Reference.parse(name)), make_image(), "a" * 120 + "b")
    rules = "{keep = {{tags = {[[regex:(?:a|a|aa)+]]}}}}"
    ran = run(f"retention.decide(args.repo, {rules})", name, flavour)
    assert "takes too long to be tried on aaa" in str(ran.error)
