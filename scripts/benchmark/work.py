"""The work that is measured. Each kind gives its rows by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmark.copying import copy
from benchmark.filling import tag_name
from benchmark.measuring import CommandError, Cost
from benchmark.programs import Kind
from benchmark.site import Trial
from benchmark.syncing import sync

Costs = Mapping[str, Cost]

SCAN = """
local count = 0
for _, name in ipairs(tag.ls("{repository}")) do
  local config = image.config("{repository}:" .. name)
  if config.Config.Labels["number"] then count = count + 1 end
end
if count ~= {tags} then error("scanned " .. count .. " tags of {tags}") end
"""

LIST = """
local names = tag.ls("{repository}")
if #names ~= {tags} then error("listed " .. #names .. " tags of {tags}") end
"""

PRUNE = """
for _, name in ipairs(tag.ls("{repository}")) do
  local config = image.config("{repository}:" .. name)
  if tonumber(config.Config.Labels["number"]) % 2 == 0 then tag.delete("{repository}:" .. name) end
end
"""

DELETE = """
for _, name in ipairs(tag.ls("{repository}")) do
  if name < "{first_kept}" then tag.delete("{repository}:" .. name) end
end
"""

DELETE_MAPPED = """
local old = {{}}
for _, name in ipairs(tag.ls("{repository}")) do
  if name < "{first_kept}" then table.insert(old, name) end
end
parallel.map(old, function(name) tag.delete("{repository}:" .. name) end)
"""

NO_LIMIT = {"maxDeletes": 1_000_000, "maxDeletePercent": 100}


REGBOT: frozenset[Kind] = frozenset({"regbot"})
BOTH: frozenset[Kind] = frozenset({"regbot", "peer"})
ALL: frozenset[Kind] = frozenset({"regbot", "peer", "skopeo"})
SYNCS: frozenset[Kind] = frozenset({"regbot", "regsync", "skopeo"})


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work, which ``do`` measures.

    ``kinds`` are the programs that can do it. ``offline``: no registry is asked.
    """

    name: str
    do: Callable[[Trial], Costs]
    kinds: frozenset[Kind] = REGBOT
    offline: bool = False


def empty(trial: Trial) -> Costs:
    """``once`` with a script that does nothing."""
    return {"once, empty script": once(trial, "local nothing = nil")}


def listing(trial: Trial) -> Costs:
    """The names of all tags."""
    tags = trial.site.sizes.tags
    repository = f"{trial.site.line.host}/{trial.site.scanned}"
    return {f"list {tags} tags": once(trial, LIST.format(repository=repository, tags=tags))}


def scan(trial: Trial) -> Costs:
    """The image config of each tag, and the same once more with the same home.

    A program without a cache would need as long for the second run as for the first.
    """
    repository = f"{trial.site.line.host}/{trial.site.scanned}"
    script = SCAN.format(repository=repository, tags=trial.site.sizes.tags)
    tags = f"{trial.site.sizes.tags} tags"
    costs = {f"scan {tags}, cold": once(trial, script)}
    if trial.program.caches:
        costs[f"scan {tags}, warm"] = once(trial, script)
    return costs


def report(trial: Trial) -> Costs:
    """A plan with a report, of a script that reads every tag and would delete half of them."""
    config = trial.config(PRUNE.format(repository=f"{trial.site.line.host}/{trial.site.scanned}"))
    files = [trial.home / name for name in ("plan.json", "report.html", "report.json")]
    plan, page, data = files
    arguments = ("-o", plan, "--report", page, "--report", data, "-v", "warn")
    return {f"report on {trial.site.sizes.tags} tags": trial.run("plan", "-c", config, *arguments)}


def delete(trial: Trial) -> Costs:
    """Tags deleted one after the other."""
    return deleted(trial, "one after the other", lambda script: once(trial, script))


def delete_mapped(trial: Trial) -> Costs:
    """The same by ``parallel.map``."""
    return deleted(trial, "parallel.map", lambda script: once(trial, script), DELETE_MAPPED)


def delete_guarded(trial: Trial) -> Costs:
    """The same under a guard."""
    return deleted(trial, "guard", lambda script: once(trial, script, guard=NO_LIMIT))


def delete_planned(trial: Trial) -> Costs:
    """The same by ``plan`` and then ``apply``; the row is the sum of both."""

    def plan_and_apply(script: str) -> Cost:
        config = trial.config(script)
        plan = trial.home / "plan.json"
        planned = trial.run("plan", "-c", config, "-o", plan, "-v", "warn")
        return planned + trial.run("apply", plan, "-c", config, "-v", "warn")

    return deleted(trial, "plan and apply", plan_and_apply)


def deleted(trial: Trial, how: str, run: Callable[[str], Cost], script: str = DELETE) -> Costs:
    """Delete tags of a new repository, and check that just these are gone."""
    site = trial.site
    count, kept = site.sizes.deletes, site.sizes.kept
    repository = site.new_repository(count + kept)
    name = f"{site.line.host}/{repository}"
    cost = run(script.format(repository=name, first_kept=tag_name(count)))
    left = site.count_tags(repository)
    if left != kept:
        raise CommandError(f"{left} tags are left, and not {kept}")
    return {f"delete {count} of {count + kept} tags{site.note}, {how}": cost}


def once(trial: Trial, script: str, **settings: object) -> Cost:
    """Run a script by ``once``."""
    return trial.run("once", "-c", trial.config(script, **settings), "-v", "warn")


DELETES = (
    Work("delete", delete, BOTH),
    Work("map", delete_mapped),
    Work("guard", delete_guarded),
    Work("plan", delete_planned),
)
WORK = (
    Work("empty", empty, BOTH, offline=True),
    Work("scan", scan, BOTH),
    Work("report", report),
    *DELETES,
    Work("copy", copy, ALL),
    Work("sync", sync, SYNCS),
)
