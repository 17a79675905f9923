"""The deletes that decisions lead to: what, on which digest, and in which order."""

from support.retained import NOW, REPOSITORY, Repository, digest, image, policy, signature_of

from regbot.plan.action import DeleteTag
from regbot.rules.deciding import decide
from regbot.run.retention import deletes_of


def deletes(images, *keep):
    """The tags that are deleted, in order, with the name of their removal."""
    decisions = decide(Repository(images), policy(*keep, allowEmpty=True), NOW)
    return list(deletes_of(decisions))


def test_a_delete_holds_to_the_digest_that_it_was_decided_on():
    images = {"a": image(1, 1), "b": image(2, 2)}
    (action,) = deletes(images, {"newest": {"count": 1}})
    assert action == DeleteTag(
        REPOSITORY.with_tag("b"),
        "no rule keeps it (rule 1: number 2 by date, only the newest stays)",
        digest(2),
        may_be_gone=True,
    )


def test_a_tag_that_its_name_decides_has_no_digest():
    (action,) = deletes({"a": image(1), "b": image(2)}, {"tags": ["a"]})
    assert action.digest is None


def test_signatures_are_later_steps_of_the_removal_of_their_image():
    images = {
        signature_of("i"): image("s", 1),
        "i1": image("i", 90),
        "i2": image("i", 90),
        "other": image("o", 90),
        "new": image("n", 1),
    }
    actions = deletes(images, {"newer": {"than": "30d"}})
    assert [action.tag for action in actions] == ["other", "i1", "i2", signature_of("i")]
    assert [bool(action.removal) for action in actions] == [False, True, True, True]
    assert len({action.removal for action in actions[1:]}) == 1


def test_a_signature_waits_for_all_that_lead_to_its_image():
    images = {
        "index": image("x", 90, lists=["arm", "amd"]),
        "other": image("y", 90, lists=["arm"]),
        signature_of("arm"): image("s", 1),
        signature_of("amd"): image("t", 1),
        "new": image("n", 1),
    }
    actions = deletes(images, {"newer": {"than": "30d"}})
    assert [action.tag for action in actions[:2]] == ["index", "other"]
    assert len({action.removal for action in actions}) == 1
    assert actions[0].removal
