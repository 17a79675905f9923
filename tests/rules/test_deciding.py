"""What rules mean, by examples."""

import pytest
from support.retained import (
    Repository,
    Used,
    decided,
    digest,
    image,
    kept,
    policy,
    signature_of,
)

from regbot.errors import GuardBroken, InvalidValue
from regbot.rules.content import Facts
from regbot.rules.deciding import decide

BUILDS = {f"ci-{n}": image(n, days=n) for n in range(1, 9)}
"""The higher the number, the older."""


def test_any_rule_keeps_a_tag_and_its_conditions_hold_together():
    images = {**BUILDS, "latest": image("x", 90), "ci-old": image("y", 90, keep="true")}
    rules = [
        {"tags": ["latest"]},
        {"tags": ["ci-*"], "newer": {"than": "3d"}},
        {"tags": ["v*"], "labels": {"keep": "true"}},
    ]
    assert kept(images, *rules) == {"latest", "ci-1", "ci-2", "ci-3"}


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("v1", {"v1"}),
        ("v*", {"v1", "v10", "v1-rc"}),
        ("v?", {"v1"}),
        ("[a-v]1", {"v1"}),
        (r"regex:v\d+", {"v1", "v10"}),
        ("regex:v", set()),
        ("regex:(?!v).*", {"new"}),
    ],
)
def test_a_pattern_fits_a_whole_tag(pattern, fitting):
    images = {tag: image(tag) for tag in ("v1", "v10", "v1-rc", "new")}
    assert kept(images, {"tags": [pattern]}, allowEmpty=True) == fitting


def test_the_newest_are_kept():
    assert kept(BUILDS, {"newest": {"count": 2}}) == {"ci-1", "ci-2"}


def test_what_ties_is_kept():
    images = {"a": image(1, 1), "b": image(2, 2), "c": image(3, 2), "d": image(4, 3)}
    assert kept(images, {"newest": {"count": 2, "by": "created"}}) == {"a", "b", "c"}


def test_images_are_counted_and_not_tags():
    images = {"a": image(1, 1), "a2": image(1, 1), "b": image(2, 2), "c": image(3, 3)}
    assert kept(images, {"newest": {"count": 2}}) == {"a", "a2", "b"}


def test_versions_are_ranked_as_versions_and_an_image_by_its_newest():
    images = {
        "v1.9.0": image(1),
        "1.10.0": image(2),
        "v1.10.0-rc.1": image(3),
        "v2.0.0": image(4),
        "v0.1.0": image(4),
    }
    rule = {"newest": {"count": 2, "by": "semver"}}
    assert kept(images, rule) == {"v2.0.0", "v0.1.0", "1.10.0"}


def test_names_are_ranked_by_their_order():
    images = {f"2024-0{n}-01": image(n) for n in range(1, 6)}
    rule = {"newest": {"count": 2, "by": "name"}}
    assert kept(images, rule) == {"2024-04-01", "2024-05-01"}


def test_each_group_has_its_own_newest():
    images = {f"ci-{branch}-{n}": image((branch, n), n) for branch in "ab" for n in range(1, 4)}
    rule = {"tags": ["ci-*"], "newest": {"count": 1, "per": r"ci-(.*)-\d+"}}
    assert kept(images, rule) == {"ci-a-1", "ci-b-1"}


def test_what_can_not_be_ranked_is_kept_and_not_counted():
    images = {**BUILDS, "ci-0": image("no date")}
    assert kept(images, {"newest": {"count": 1}}) == {"ci-0", "ci-1"}
    versions = {"v1": image(1), "v2": image(2), "v01": image(3)}
    assert kept(versions, {"newest": {"count": 1, "by": "semver"}}) == {"v2", "v01"}
    grouped = {"ci-a-1": image(1, 1), "ci-a-2": image(2, 2), "other": image(3, 3)}
    rule = {"newest": {"count": 1, "per": r"ci-(.*)-\d+"}}
    assert kept(grouped, rule) == {"ci-a-1", "other"}


def test_a_ranking_counts_what_the_other_conditions_leave():
    images = {f"b{n}": image(n, n, branch="main" if n % 2 else "side") for n in range(1, 7)}
    rule = {"labels": {"branch": "main"}, "newest": {"count": 2}}
    assert kept(images, rule) == {"b1", "b3"}
    assert kept(images, {"older": {"than": "3d"}, "newest": {"count": 1}}) == {"b4"}


def test_an_age_is_compared_with_the_date_of_the_image():
    images = {"a": image(1, 13.9), "b": image(2, 14), "c": image(3, 14.1), "d": image(4)}
    assert kept(images, {"newer": {"than": "14d"}}) == {"a", "b", "d"}
    assert kept(images, {"older": {"than": "14d"}}) == {"c", "d"}


def test_a_date_in_the_future_is_no_date():
    images = {**BUILDS, **{f"x{n}": image(f"x{n}", -2 - n) for n in range(3)}}
    future = {"x0", "x1", "x2"}
    assert kept(images, {"newest": {"count": 2}}) == {"ci-1", "ci-2", *future}
    assert kept(images, {"older": {"than": "7d"}}) == {"ci-8", *future}
    decisions = decided(images, policy({"newest": {"count": 2}}))
    why = "kept by rule 1, which can't judge it: its date is in the future"
    assert decisions["x1"].reason == why
    decisions = decided(images, policy({"newer": {"than": "1d"}}))
    assert decisions["x1"].reason == why


def test_the_clock_that_dated_an_image_may_be_a_day_ahead():
    images = {**BUILDS, "ci-0": image("ahead", -0.9)}
    assert kept(images, {"newest": {"count": 2}}) == {"ci-0", "ci-1"}
    assert kept(images, {"newer": {"than": "1d"}}) == {"ci-0", "ci-1"}


def test_labels_have_to_have_their_values_in_one_image():
    one, other = {"a": "1", "b": "2"}, {"a": "1"}
    index = Facts(digest("i"), is_index=True, labels=({}, one))
    split = Facts(digest("s"), is_index=True, labels=(other, {"b": "2"}))
    images = {"one": image(1, 1, **one), "other": image(2, 1, **other), "i": index, "s": split}
    assert kept(images, {"labels": one}) == {"one", "i"}


def test_a_child_that_is_missing_may_have_the_label():
    sparse = Facts(digest("i"), is_index=True, labels=({}, {"a": "1"}), lacks_child=True)
    images = {"sparse": sparse, "whole": image(1, 1, b="2"), "none": image(2, 1)}
    assert kept(images, {"labels": {"b": "2"}}) == {"sparse", "whole"}
    decision = decided(images, policy({"labels": {"b": "2"}}))["sparse"]
    assert decision.reason == (
        "kept by rule 1, which can't judge it:"
        " no label b=2, but a child is missing that may have it"
    )
    assert decided(images, policy({"labels": {"a": "1"}}))["sparse"].reason == (
        "kept by rule 1: label a=1"
    )


def test_what_is_in_use_is_kept_by_tag_by_digest_and_by_a_child():
    images = {
        "a": image(1),
        "b": image(2),
        "c": image(3, lists=["child"]),
        "d": image(4),
    }
    used = Used(tags=["a"], digests=[digest(2), digest("child")])
    assert kept(images, {"inUse": True}, used=used) == {"a", "b", "c"}
    decisions = decided(images, policy({"inUse": True}), used)
    assert decisions["a"].reason == "kept by rule 1: in use by pod web"


def test_in_use_needs_somebody_who_knows():
    with pytest.raises(InvalidValue, match="inUse needs a list of where images run"):
        policy({"inUse": True}, in_use=False)
    with pytest.raises(InvalidValue, match="nothing is configured that tells"):
        decide(Repository({"a": image(1)}), policy({"inUse": True}), 0.0)


def test_what_delete_does_not_name_is_neither_judged_nor_counted():
    images = {**BUILDS, "v1": image("v", 0), "v2": image("w", 900)}
    rule = {"newest": {"count": 2}}
    assert kept(images, rule, delete=["ci-*"]) == {"ci-1", "ci-2", "v1", "v2"}
    repository = Repository(images)
    decide(repository, policy(rule, delete=["ci-*"]), 0.0)
    assert repository.asked.keys() == BUILDS.keys()


def test_without_rules_everything_goes_that_delete_names():
    assert kept({**BUILDS, "v1": image(0)}, delete=["ci-*"]) == {"v1"}


def test_what_can_not_be_read_is_kept_with_the_reason():
    images = {**BUILDS, "ci-x": image("x", problem="not JSON but HTML")}
    decision = decided(images, policy({"newest": {"count": 1}}))["ci-x"]
    assert decision.keep
    assert decision.reason == "kept by rule 1, which can't judge it: not JSON but HTML"
    assert kept(images, {"newest": {"count": 1}}) == {"ci-1", "ci-x"}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"tags": ["x", "a*"]}, "kept by rule 2: tags x, a*"),
        ({"newest": {"count": 10, "by": "name"}}, "kept by rule 2: newest 10 by name"),
        (
            {"tags": ["a*"], "newest": {"count": 3, "per": "(.).*"}},
            "kept by rule 2: newest 3 by date per (.).*",
        ),
        ({"newer": {"than": "14d"}}, "kept by rule 2: newer than 14d"),
        ({"newer": {"than": "36h"}}, "kept by rule 2: newer than 36h"),
        ({"labels": {"keep": "true"}}, "kept by rule 2: label keep=true"),
    ],
)
def test_the_reason_names_the_rule(rule, reason):
    decision = decided({"a1": image(1, 1, keep="true")}, policy({"tags": ["latest"]}, rule))["a1"]
    assert (decision.reason, decision.rule) == (reason, 2)


def test_the_reason_of_a_delete_says_what_each_rule_missed():
    rules = policy({"newest": {"count": 1}}, {"newer": {"than": "1d"}}, {"labels": {"a": "b"}})
    decision = decided(BUILDS, rules)["ci-3"]
    assert not decision.keep
    assert decision.reason == (
        "no rule keeps it (rule 1: number 3 by date, only the newest stays;"
        " rule 2: not newer than 1d; rule 3: no label a=b)"
    )


def test_a_policy_that_keeps_nothing_is_refused_unless_it_may():
    with pytest.raises(GuardBroken, match="the rules keep none of 8 tags"):
        decided(BUILDS, policy({"tags": ["v*"]}))
    assert kept(BUILDS, {"tags": ["v*"]}, allowEmpty=True) == set()
    assert kept({}, {"tags": ["v*"]}) == set()


def test_an_index_stays_with_a_child_that_a_kept_tag_is_on():
    images = {
        "multi": image("m", 90, lists=["amd", "arm"]),
        "outer": image("o", 90, lists=["m"]),
        "other": image("z", 90, lists=["x86"]),
        "arm-v1": image("arm", 90),
    }
    rules = [{"tags": ["arm-*"]}, {"newer": {"than": "1d"}}]
    assert kept(images, *rules) == {"multi", "outer", "arm-v1"}
    reason = decided(images, policy(*rules))["multi"].reason
    assert reason == f"it lists {digest('arm')}, which arm-v1 is on"


def test_an_index_stays_where_a_kept_tag_can_not_be_read():
    images = {
        "multi": image("m", 90, lists=["amd", "arm"]),
        "old": image("o", 90),
        "arm-v1": image("arm", 90, problem="broken"),
    }
    rules = [{"tags": ["arm-*"]}, {"newer": {"than": "1d"}}]
    assert kept(images, *rules) == {"multi", "arm-v1"}


def test_signatures_go_with_their_image_and_count_for_nothing():
    images = {
        "v1": image("old", 90),
        "v2": image("new", 1),
        signature_of("old"): image("s1", 0),
        signature_of("old", ""): image("s2", 0),
        signature_of("new"): image("s3", 90),
        signature_of("gone", ".att"): image("s4", 90),
        signature_of("s1"): image("s5", 90),
    }
    newest = {"newest": {"count": 1}}
    assert kept(images, newest) == {"v2", signature_of("new"), signature_of("gone", ".att")}
    decision = decided(images, policy(newest))[signature_of("old")]
    assert (decision.reason, decision.owners) == (f"goes with {digest('old')}", {digest("old")})
    assert kept(images, newest, referrers="keep") == images.keys() - {"v1"}


def test_a_signature_stays_while_any_kept_tag_leads_to_its_image():
    signature = signature_of("arm")
    images = {
        "gone": image("m", 90, lists=["arm"]),
        "stays": image("n", 1, lists=["arm"]),
        signature: image("s", 90),
    }
    assert kept(images, {"tags": ["stays"]}) == {"stays", signature}
    alone = {tag: facts for tag, facts in images.items() if tag != "stays"}
    assert kept(alone, {"tags": ["stays"]}, allowEmpty=True) == set()
    unclear = {**images, "stays": image("n", problem="broken")}
    assert kept(unclear, {"tags": ["stays"]}) == {"stays", signature}


def test_a_rule_can_keep_signatures_by_name():
    images = {"v1": image("a"), "v2": image("b"), signature_of("a", ".sbom"): image("s")}
    rules = [{"tags": ["v2"]}, {"tags": ["*.sbom"]}]
    assert kept(images, *rules) == {"v2", signature_of("a", ".sbom")}


def test_a_tag_that_only_looks_like_a_digest_is_an_image():
    assert kept({"sha-abc": image(1), "sha256-abc": image(2)}, {"tags": ["sha-*"]}) == {"sha-abc"}


def test_no_more_is_read_than_the_rules_ask_for():
    images = {**BUILDS, "v1.0.0": image("v", 1), "pr-1": image("p", 1), "latest": image("l", 1)}
    repository = Repository(images)
    rules = policy(
        {"tags": ["latest"]},
        {"tags": ["v*"], "newest": {"count": 1, "by": "semver"}},
        {"tags": ["ci-[1-4]"], "newer": {"than": "9d"}},
        {"tags": ["ci-1"]},
        {"tags": ["ci-4"], "labels": {"keep": "true"}},
    )
    decide(repository, rules, 0.0)
    dated = dict.fromkeys(("ci-2", "ci-3"), "date")
    assert repository.asked == {"v1.0.0": "digest", **dated, "ci-4": "image"}


def test_a_digest_that_was_read_is_told():
    images = {**BUILDS, "v1": image("v")}
    decisions = decided(images, policy({"tags": ["v*"]}, {"newest": {"count": 1, "by": "name"}}))
    assert decisions["ci-3"].digest == digest(3)
    assert decided({"v1": image("v")}, policy({"tags": ["v*"]}))["v1"].digest is None
