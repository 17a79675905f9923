"""A run unit by unit, by any machine in any order, comes to what one process comes to."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.clients import Client
from support.configs import load
from support.images import make_image
from support.inunits import Units
from support.registry import DISTRIBUTION_3, Fault, TestRegistry

from regbot.events import ignore
from regbot.lua.flavours import preferred_flavour
from regbot.plan.carrying import planned_from
from regbot.plan.outcome import Outcomes
from regbot.plan.outcomeentries import KEPT, Entries
from regbot.plan.parting import parts_of
from regbot.report.as_json import as_json
from regbot.report.build import build_report
from regbot.report.summary import summary
from regbot.run.job import run_script
from regbot.run.services import Services
from regbot.run.unit import Course
from regbot.stopping import Stop
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores

REPOSITORIES = ("team/a", "team/b", "team/c")
NEW = [make_image(created=f"2024-01-0{day}T00:00:00Z") for day in (1, 2)]
OLD = [
    make_image(created=f"2020-01-0{day}T00:00:00Z", labels={"n": str(day)}) for day in range(1, 6)
]

LISTED = """
    repositories: {registry: "HOST", match: ["team/*"]}
"""
RULES = """
    retention: {keep: [{newest: {count: 3}}]}
"""
DELETING = """
    script: |
      for _, name in ipairs(tag.ls(args.repo)) do
        if name:match("^old") then tag.delete(args.repo .. ":" .. name) end
      end
      tag.delete(args.repo .. ":missing")
"""
COPYING = """
    script: |
      image.copy(args.repo .. ":new1", (args.repo:gsub("team/", "mirror/")) .. ":new1")
      tag.delete(args.repo .. ":new1")
"""
ALONE = """
    script: |
      for _, repo in ipairs({"a", "c"}) do
        tag.delete("HOST/team/" .. repo .. ":old1")
        image.copy("HOST/team/" .. repo .. ":new1", "HOST/mirror/" .. repo .. ":new1")
      end
"""
SCRIPTS = {
    "rules": LISTED + RULES,
    "deletes at repositories": LISTED
    + DELETING.replace('      tag.delete(args.repo .. ":missing")\n', ""),
    "fails at each repository": LISTED + DELETING,
    "copies at repositories": LISTED + COPYING,
    "a script of its own": ALONE,
}
GUARDS = {
    "no guard": "",
    "guard kept": "    guard: {maxDeletes: 50, keepAtLeast: 1}\n",
    "guard broken": "    guard: {maxDeletes: 1}\n",
    "guard broken in one repository": "    guard: {keepAtLeast: 4}\n",
}
FAULTS = {
    "all well": None,
    "one repository can't be listed": Fault(
        "status", method="GET", path="/v2/team/b/tags", status=403, times=99
    ),
    "one tag can't be deleted": Fault(
        "status", method="DELETE", path="/v2/team/b/manifests/old0", status=403, times=99
    ),
    "the catalog can't be had": Fault(
        "status", method="GET", path="/v2/_catalog", status=403, times=99
    ),
}


def content(registry):
    for repository in REPOSITORIES:
        for number, image in enumerate(NEW):
            registry.put(repository, f"new{number}", image)
        for number, image in enumerate(OLD):
            registry.put(repository, f"old{number}", image)


class Place:
    """A registry, and the scripts of a config that work on it."""

    def __init__(self, registry, client, text, *, dry_run, whole=False):
        self.registry = registry
        self.host = registry.host
        self._client = client
        self.config = load(text.replace("HOST", self.host))
        self._dry_run = dry_run
        self._whole = whole
        content(registry)

    def services(self):
        """Of a process that begins."""
        overlay = OverlayStores(OpenStores(self._client.bound(Stop()))) if self._dry_run else None
        return Services(
            bind=self._client.bound,
            emit=ignore,
            outcomes=Outcomes(),
            environment={},
            flavour=preferred_flavour(),
            blob_limit=1_000_000,
            dry_run=self._dry_run,
            evidence=True,
            whole=self._whole,
            overlay=overlay,
        )

    def in_one_process(self):
        services = self.services()
        results = [run_script(script, services, Stop()) for script in self.config.scripts]
        return self._told(results, services.outcomes.all, services.outcomes.kept)

    def in_units(self, seed):
        course = Course("run", self.config.scripts, self._dry_run, True, self._whole)
        finished = Units(course, self.config, self.services, seed=seed).run().values()
        return self._told(
            [each.result for each in finished],
            [outcome for each in finished for outcome in each.outcomes],
            [kept for each in finished for kept in each.kept],
        )

    def _told(self, results, outcomes, kept):
        """All that a user could see of it, without the name of the registry."""
        results = [replace(result, seconds=0.0) for result in results]
        stores = OpenStores(self._client.exchange)
        report = build_report(
            outcomes,
            results,
            kind="once",
            dry_run=self._dry_run,
            started=0.0,
            finished=1_750_000_000.0,
            stores=stores,
            stop=Stop(),
        )
        entries = Entries(Path())
        told = {
            "results": [repr(result) for result in results],
            "guarded": [result.guarded for result in results],
            "outcomes": sorted(
                json.dumps(entries.outcome.write(_uncounted(each))) for each in outcomes
            ),
            "plan": sorted(
                json.dumps(entries.planned.write(each)) for each in planned_from(outcomes)
            ),
            "kept": sorted(json.dumps(KEPT.write(each)) for each in kept) if self._dry_run else [],
            "report": sorted(as_json(report).splitlines()),
            "summary": summary(outcomes, results, seconds=0.0, dry_run=self._dry_run),
            "tags": {
                name: self.registry.tags(name) for name in (*REPOSITORIES, "mirror/a", "mirror/b")
            },
        }
        return json.loads(json.dumps(told).replace(self.host.partition(":")[2], "PORT"))


def _uncounted(outcome):
    """The same without the number of tags, which any of the first deletes may have."""
    evidence = outcome.evidence and replace(outcome.evidence, tags_before=None)
    return replace(outcome, evidence=evidence)


def both_ways(text, *, dry_run, whole=False, fault=None, seed=0):
    """What one process tells, and what units do."""
    told = []
    for way in (Place.in_one_process, lambda place: place.in_units(seed)):
        quirks = replace(DISTRIBUTION_3, checks_references=False)
        with TestRegistry(quirks) as registry, Client(registry.host) as client:
            place = Place(registry, client, text, dry_run=dry_run, whole=whole)
            if fault:
                registry.faults.plan(fault)
            told.append(way(place))
    return told


def config(*scripts):
    return "scripts:\n" + "".join(
        f"  - name: s{number}\n{text.strip(chr(10))}\n" for number, text in enumerate(scripts)
    )


@pytest.mark.parametrize("dry_run", [False, True], ids=["live", "dry run"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_units_come_to_what_one_process_comes_to(script, guard, fault, dry_run):
    text = config(SCRIPTS[script] + GUARDS[guard])
    seed = len(script + guard + fault)
    alone, apart = both_ways(text, dry_run=dry_run, fault=FAULTS[fault], seed=seed)
    assert apart == alone


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_plan_of_units_lacks_what_failed_as_that_of_one_process_does(script, fault):
    text = config(SCRIPTS[script])
    alone, apart = both_ways(text, dry_run=True, whole=True, fault=FAULTS[fault], seed=len(fault))
    assert apart == alone


TWICE = config(
    LISTED + RULES + "    guard: {keepAtLeast: 2}\n",
    LISTED + RULES.replace("3", "1") + "    guard: {keepAtLeast: 2}\n",
)


@pytest.mark.parametrize("seed", range(4))
def test_in_a_dry_run_a_guard_counts_what_the_scripts_before_take(seed):
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client:
        place = Place(registry, client, TWICE, dry_run=True)
        course = Course("run", place.config.scripts, dry_run=True, parallel=2)
        first, second = Units(course, place.config, place.services, seed=seed).run().values()
    assert first.result.status == "done"
    assert {outcome.status for outcome in first.outcomes} == {"planned"}
    assert second.result.guarded
    assert {outcome.status for outcome in second.outcomes} == {"skipped"}


class Meddled(Units):
    """Somebody deletes a tag that stays, right before what was judged is done."""

    def __init__(self, place):
        super().__init__(Course("run", place.config.scripts), place.config, place.services)
        self._meddled_with = place.registry.content.repository("team/b")

    def done(self, unit):
        if unit.kind == "apply":
            self._meddled_with.delete_tag("new0")
        return super().done(unit)


def test_a_guard_counts_again_before_what_it_judged_is_done():
    text = config(LISTED + RULES + "    guard: {keepAtLeast: 3}\n")
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client:
        units = Meddled(Place(registry, client, text, dry_run=False))
        (finished,) = units.run().values()
        assert (finished.result.status, finished.result.guarded) == ("failed", True)
        assert "team/b would keep 2 tags, 1 too few" in finished.result.error
        assert len(registry.tags("team/b")) == len(NEW) + len(OLD) - 1
        assert len(registry.tags("team/a")) == len(registry.tags("team/c")) == 3


@pytest.mark.parametrize("script", ["rules", "copies at repositories", "a script of its own"])
@pytest.mark.parametrize("seed", range(3))
def test_the_parts_of_a_plan_come_to_what_the_plan_comes_to(script, seed):
    text, told = config(SCRIPTS[script]), []
    for way in ("whole", "parts"):
        quirks = replace(DISTRIBUTION_3, checks_references=False)
        with TestRegistry(quirks) as registry, Client(registry.host) as client:
            dry = Place(registry, client, text, dry_run=True).services()
            place = Place(registry, client, text, dry_run=False)
            run_script(place.config.scripts[0], dry, Stop())
            plan = planned_from(dry.outcomes.all)
            parts = [tuple(plan)] if way == "whole" else parts_of(plan, lambda it: it.without_name)
            if way == "parts":
                assert len(parts) == (1 if "copies" in script or "own" in script else 3)
            course = Course("run", parts=tuple(parts))
            units = Units(course, place.config, place.services, seed=seed)
            units.run()
            outcomes = [each for _, result in units.ended.values() for each in result.outcomes]
            assert len(outcomes) == len(plan)
            told.append(place._told([], outcomes, []))
    assert told[0] == told[1]


def test_a_unit_that_is_done_again_changes_nothing_more():
    text = config(LISTED + RULES + GUARDS["guard kept"])
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client:
        place = Place(registry, client, text, dry_run=False)
        units = Units(Course("run", place.config.scripts), place.config, place.services)
        units.run()
        tags = {name: registry.tags(name) for name in REPOSITORIES}
        for unit in units.made:
            again = units.done(unit)
            assert again.status == "done"
            assert {each.status for each in again.outcomes} <= {"done", "planned"}
            if unit.kind == "apply":
                assert len(again.outcomes) == len(unit.plan)
        assert {name: registry.tags(name) for name in REPOSITORIES} == tags
