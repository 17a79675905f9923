"""Which units follow which, without any of them being done."""

from regbot.config.values import Repositories, Script
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.carrying import Planned
from regbot.plan.guard import Guard
from regbot.run.repositories import Place
from regbot.run.unit import Course, UnitResult, finished, first_units, units_after

HERE = (Repositories("r.test", ()),)
GUARD = Guard(max_deletes=1)
PLACES = tuple(Place(Reference("registry", "r.test", name), is_named=True) for name in ("a", "b"))


def units(course, results=None):
    """The kinds of the units of a run, each with its repository, in waves."""
    results = results or {}
    waves, now = [], list(first_units(course))
    open_units = {}
    for unit in now:
        open_units[unit.script] = open_units.get(unit.script, 0) + 1
    while now:
        waves.append([" ".join(filter(None, (it.script, it.kind, it.repository))) for it in now])
        following = []
        for unit in now:
            open_units[unit.script] -= 1
            result = results.get(
                unit.kind, UnitResult(places=PLACES if unit.kind == "split" else ())
            )
            for each in units_after(course, unit, result, open_units):
                open_units[each.script] = open_units.get(each.script, 0) + 1
                following.append(each)
        now = following
    assert not any(open_units.values())
    return waves


def test_a_script_of_its_own_is_one_unit():
    assert units(Course("run", (Script("s"),))) == [["s script"]]
    assert units(Course("run", (Script("s", guard=GUARD),))) == [["s script"]]


def test_without_a_guard_a_script_is_done_at_each_repository():
    course = Course("run", (Script("s", repositories=HERE),))
    assert units(course) == [
        ["s split"],
        ["s repository r.test/a", "s repository r.test/b"],
    ]


def test_with_a_guard_all_is_judged_before_anything_is_done():
    course = Course("run", (Script("s", repositories=HERE, guard=GUARD),))
    parts = tuple((Planned("s", DeleteTag(place.repository.with_tag("x"))),) for place in PLACES)
    assert units(course, {"judge": UnitResult(parts=parts)}) == [
        ["s split"],
        ["s repository r.test/a", "s repository r.test/b"],
        ["s judge"],
        ["s apply r.test/a", "s apply r.test/b"],
    ]


def test_what_a_guard_refuses_is_not_done():
    course = Course("run", (Script("s", repositories=HERE, guard=GUARD),))
    refused = UnitResult("failed", "too many", guarded=True)
    assert units(course, {"judge": refused})[-1] == ["s judge"]


def test_so_many_scripts_run_at_once_as_the_config_says():
    scripts = tuple(Script(f"s{number}") for number in range(3))
    assert units(Course("run", scripts, parallel=0)) == [
        ["s0 script"],
        ["s1 script"],
        ["s2 script"],
    ]
    assert units(Course("run", scripts, parallel=2)) == [["s0 script", "s1 script"], ["s2 script"]]


def test_the_judges_of_a_dry_run_come_at_its_end_one_by_one():
    scripts = (Script("s0", guard=GUARD), Script("s1"), Script("s2", guard=GUARD))
    assert units(Course("run", scripts, dry_run=True, parallel=3)) == [
        ["s0 script", "s1 script", "s2 script"],
        ["s0 judge"],
        ["s2 judge"],
    ]


def test_nothing_follows_a_stop_and_what_was_not_begun_is_told():
    scripts = (Script("s0", repositories=HERE), Script("s1"))
    stopped = UnitResult("stopped", "stopped")
    course = Course("run", scripts)
    (first,) = first_units(course)
    assert units_after(course, first, stopped, {"s0": 0}) == ()
    assert finished(scripts[0], [(first, stopped)], 1.0).result.status == "stopped"
    assert finished(scripts[1], [], 0.0).result.error == "not begun"


def test_the_same_unit_has_the_same_id_whoever_makes_it():
    course = Course("run", (Script("s", repositories=HERE),))
    (split,) = first_units(course)
    result = UnitResult(places=PLACES)
    first, second = units_after(course, split, result, {"s": 0})
    assert units_after(course, split, result, {"s": 0}) == (first, second)
    assert first.id != second.id != split.id
    (other,) = first_units(Course("other", course.scripts))
    assert other.id != split.id
