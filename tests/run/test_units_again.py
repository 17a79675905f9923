"""A unit that was broken off and is done again: the same registry, and what was done in all."""

import math
from dataclasses import replace

import pytest
from support.clients import Client
from support.configs import load
from support.images import make_image
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, TestRegistry

from regbot.events import ignore
from regbot.journal.opening import open_journal
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.lua.flavours import preferred_flavour
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.carrying import Planned
from regbot.plan.outcome import Outcomes
from regbot.run.again import outcomes_of_failed
from regbot.run.bot import Bot
from regbot.run.cluster.cluster import do_attempt
from regbot.run.services import Services
from regbot.run.unit import Unit
from regbot.run.unitwork import do_unit
from regbot.stopping import Attempt, Stop

SCRIPTS = """
scripts:
  - name: rules
    repositories: [HOST/team/app]
    retention: {keep: [{tags: ["new"]}]}
  - name: lua
    repositories: [HOST/team/app]
    script: &lua |
      for _, name in ipairs(tag.ls(args.repo)) do
        if name ~= "new" then tag.delete(args.repo .. ":" .. name) end
      end
  - name: alone
    args: {repo: HOST/team/app}
    script: *lua
"""
OLD = [f"old{number}" for number in range(6)]


class Lab:
    """One repository, and a run that has a journal."""

    def __init__(self, registry, client, folder):
        self.registry = registry
        self.config = load(SCRIPTS.replace("HOST", registry.host))
        self.journal = open_journal(folder)
        settings = JournalSettings(None, 3600.0, "", "")
        self._slot = JournalSlot(settings, "once", self.journal, run_id="run")
        self._client = client
        for number, tag in enumerate(OLD):
            image = make_image(labels={"n": str(number)}, created="2020-01-01T00:00:00Z")
            registry.put("team/app", tag, image)
        registry.put("team/app", "new", make_image())

    def unit(self, script):
        where = f"{self.registry.host}/team/app"
        if script == "apply":
            repository = Reference.parse(where, default_tag=None)
            tags = self.registry.tags("team/app")
            plan = tuple(
                Planned(
                    "rules",
                    DeleteTag(
                        repository.with_tag(tag), "", Digest.parse(tags[tag]), may_be_gone=True
                    ),
                )
                for tag in OLD
            )
            return Unit("u", "run", "", "apply", where, plan=plan)
        kind = "script" if script == "alone" else "repository"
        return Unit("u", "run", script, kind, "" if script == "alone" else where)

    def services(self):
        return Services(
            bind=self._client.bound,
            emit=ignore,
            outcomes=Outcomes(),
            environment={},
            flavour=preferred_flavour(),
            blob_limit=1_000_000,
            journal=self._slot,
        )

    def attempt(self, unit, stop):
        def script_of(name):
            return self.config.only([name]).scripts[0] if name else self.config.defaults

        runs = [run.id for run in self.journal.runs()]
        earlier = self.journal.actions("run") if runs else []
        return do_unit(unit, script_of, self.services(), stop, earlier=earlier)


@pytest.fixture(params=[DISTRIBUTION_3, DISTRIBUTION_2], ids=["by name", "by placeholder"])
def lab(request, tmp_path):
    quirks = replace(request.param, checks_references=False)
    with TestRegistry(quirks) as registry, Client(registry.host) as client:
        lab = Lab(registry, client, tmp_path)
        with lab.journal:
            yield lab


@pytest.mark.parametrize("script", ["rules", "lua", "alone", "apply"])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_what_both_attempts_did_is_told_once(lab, script, after):
    unit, stop = lab.unit(script), Stop()
    lab.registry.before("DELETE", "/v2/team/app/manifests/", stop.ask, after=after)
    first = lab.attempt(unit, stop)
    again = lab.attempt(unit, Stop())
    assert again.status == "done", again.error
    assert set(lab.registry.tags("team/app")) == {"new"}
    told = sorted(outcome.action.reference.tag for outcome in again.outcomes)
    assert told == OLD
    statuses = {outcome.status for outcome in again.outcomes}
    assert statuses <= {"done", "stopped"}
    done = [outcome for outcome in again.outcomes if outcome.status == "done"]
    assert len(done) >= len([each for each in first.outcomes if each.status == "done"])
    assert not any(outcome.was_gone for outcome in again.outcomes)
    assert all(outcome.digest for outcome in done)


def test_a_tag_that_was_gone_before_the_first_attempt_stays_told_as_gone(lab):
    unit = lab.unit("apply")
    del lab.registry.content.repository("team/app").tags["old0"]
    lab.attempt(unit, Stop())
    again = lab.attempt(unit, Stop())
    gone = [outcome.action.reference.tag for outcome in again.outcomes if outcome.was_gone]
    assert gone == ["old0"]


def test_other_units_of_the_run_are_not_told(lab):
    lab.attempt(lab.unit("rules"), Stop())
    other = replace(lab.unit("lua"), id="v")
    assert lab.attempt(other, Stop()).outcomes == ()
    elsewhere = replace(lab.unit("rules"), repository=f"{lab.registry.host}/team/other", id="w")
    assert lab.attempt(elsewhere, Stop()).outcomes == ()


def test_what_was_begun_and_then_not_asked_for_is_not_said_to_be_done(lab):
    unit = lab.unit("rules")
    lab.attempt(unit, Stop())
    with lab.journal._history.writing():
        lab.journal._history._database.run("UPDATE action SET status = 'begun'")
    again = lab.attempt(unit, Stop())
    assert {outcome.status for outcome in again.outcomes} == {"stopped"}
    assert {"not known" in outcome.detail for outcome in again.outcomes} == {True}


@pytest.mark.parametrize("script", ["rules", "apply"])
def test_a_unit_that_is_given_up_tells_what_its_attempts_did(lab, script):
    unit, stop = lab.unit(script), Stop()
    lab.registry.before("DELETE", "/v2/team/app/manifests/", stop.ask, after=2)
    lab.attempt(unit, stop)
    entries = lab.journal.actions("run")
    deleted = {entry.reference.tag for entry in entries if entry.status == "done"}
    told = outcomes_of_failed(unit, "it broke", entries)
    done = {outcome.action.reference.tag for outcome in told if outcome.status == "done"}
    assert done == deleted
    others = [outcome for outcome in told if outcome.status != "done"]
    if script == "apply":
        assert sorted(outcome.action.reference.tag for outcome in told) == OLD
        assert {outcome.detail for outcome in others if outcome.status == "failed"} <= {"it broke"}
    else:
        assert {outcome.status for outcome in others} <= {"stopped"}


@pytest.mark.parametrize("number", [1, 2])
def test_an_attempt_that_is_not_the_first_asks_the_journal(lab, number):
    unit = lab.unit("rules")
    lab.attempt(unit, Stop())
    bot = Bot(lab.config, lab.services(), Stop(), JournalSettings(None, 3600.0, "", ""))
    attempt = Attempt("u", number, lambda: math.inf)
    result = do_attempt(bot, unit, "once", lab.journal, attempt)
    assert len(result.outcomes) == (0 if number == 1 else len(OLD))
