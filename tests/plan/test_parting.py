"""What of a plan has to stay together, so that its parts can be done in any order."""

from pathlib import Path

import pytest

from regbot.image.options import CopyOptions
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import CopyImage, DeleteTag, ExportTar, ImportTar, PutBlob
from regbot.plan.carrying import Planned
from regbot.plan.parting import parts_of

DIGEST = Digest.of(b"")


def at(name):
    return Reference.parse(f"r.test/{name}:v1")


def delete(name, script="s"):
    return Planned(script, DeleteTag(at(name)))


def copy(source, target, script="s"):
    return Planned(script, CopyImage(at(source), at(target), CopyOptions()))


def blob(source, target, script="s"):
    where = at(target).without_name
    return Planned(script, PutBlob(where, DIGEST, 0, None, source=at(source).without_name))


def exported(name, script="s"):
    return Planned(script, ExportTar(at(name), Path("x.tar")))


def imported(name, script="t"):
    return Planned(script, ImportTar(at(name), Path("x.tar")))


PLANS = {
    "deletes of each repository": ([delete("a"), delete("b"), delete("a")], [[0, 2], [1]]),
    "deletes of two scripts": ([delete("a"), delete("b"), delete("a", "t")], [[0, 2], [1]]),
    "a copy with both repositories": (
        [delete("a", "t"), copy("a", "b"), delete("b", "t"), delete("c", "t")],
        [[0, 1, 2], [3]],
    ),
    "a blob with where it comes from": ([blob("a", "b"), delete("a", "t")], [[0, 1]]),
    "a delete that may rest on a copy": (
        [delete("c"), delete("d"), copy("a", "b"), delete("c")],
        [[0, 2, 3], [1]],
    ),
    "copies of one script": ([copy("a", "b"), copy("c", "d")], [[0, 1]]),
    "copies of two scripts": ([copy("a", "b"), copy("c", "d", "t")], [[0], [1]]),
    "an archive that another script reads": ([exported("a"), imported("b")], [[0, 1]]),
    "groups that meet late": (
        [delete("a", "t"), delete("b", "u"), copy("c", "b", "v"), copy("a", "b", "w")],
        [[0, 1, 2, 3]],
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_what_rests_on_one_another_stays_together_in_its_order(name):
    plan, expected = PLANS[name]
    parts = parts_of(plan, lambda reference: reference.without_name)
    assert parts == [tuple(plan[number] for number in part) for part in expected]


def test_one_repository_by_two_names_is_one():
    plan = [delete("a"), delete("alias"), delete("b")]
    same = at("a").without_name
    parts = parts_of(plan, lambda it: same if it.repository in ("a", "alias") else it.without_name)
    assert parts == [(plan[0], plan[1]), (plan[2],)]
