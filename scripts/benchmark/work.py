"""The work that is measured. Each kind gives its rows by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmark.filling import tag_name
from benchmark.measuring import CommandError, Cost
from benchmark.site import Trial

Costs = Mapping[str, Cost]

SCAN = """
local count = 0
for _, name in ipairs(tag.ls("{repository}")) do
  local config = image.config("{repository}:" .. name)
  if config.Config.Labels["number"] then count = count + 1 end
end
if count ~= {tags} then error("scanned " .. count .. " tags of {tags}") end
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

KEPT = 50
"""Tags that are left in a repository where others are deleted."""

NO_LIMIT = {"maxDeletes": 1_000_000, "maxDeletePercent": 100}


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work, which ``do`` measures; it is given the repository that is scanned.

    ``peer``: the Go program can do it. ``offline``: no registry is asked.
    """

    name: str
    do: Callable[[Trial, str], Costs]
    peer: bool = True
    offline: bool = False


def empty(trial: Trial, _scanned: str) -> Costs:
    """``once`` with a script that does nothing."""
    return {"once, empty script": once(trial, "local nothing = nil")}


def scan(trial: Trial, scanned: str) -> Costs:
    """The image config of each tag, and the same once more with the same home."""
    script = SCAN.format(repository=scanned, tags=trial.site.sizes.tags)
    return {"scan, cold": once(trial, script), "scan, warm": once(trial, script)}


def delete(trial: Trial, _scanned: str) -> Costs:
    """Tags deleted one after the other."""
    return deleted(trial, "one after the other", lambda script: once(trial, script))


def delete_mapped(trial: Trial, _scanned: str) -> Costs:
    """The same by ``parallel.map``."""
    return deleted(trial, "parallel.map", lambda script: once(trial, script), DELETE_MAPPED)


def delete_guarded(trial: Trial, _scanned: str) -> Costs:
    """The same under a guard."""
    return deleted(trial, "guard", lambda script: once(trial, script, guard=NO_LIMIT))


def delete_planned(trial: Trial, _scanned: str) -> Costs:
    """The same by ``plan`` and then ``apply``; the row is the sum of both."""

    def plan_and_apply(script: str) -> Cost:
        config = trial.config(script)
        plan = trial.home / "plan.json"
        return trial.run("plan", "-c", config, "-o", plan, "-v", "warn") + trial.run(
            "apply", plan, "-c", config, "-v", "warn"
        )

    return deleted(trial, "plan and apply", plan_and_apply)


def deleted(trial: Trial, how: str, run: Callable[[str], Cost], script: str = DELETE) -> Costs:
    """Delete tags of a new repository, and check that just these are gone."""
    count = trial.site.sizes.deletes
    repository = trial.site.new_repository(count + KEPT)
    cost = run(script.format(repository=repository, first_kept=tag_name(count)))
    left = trial.site.count_tags(repository)
    if left != KEPT:
        raise CommandError(f"{left} tags are left, and not {KEPT}")
    return {f"delete {count} tags, {how}": cost}


def once(trial: Trial, script: str, **settings: object) -> Cost:
    """Run a script by ``once``."""
    return trial.run("once", "-c", trial.config(script, **settings), "-v", "warn")


WORK = (
    Work("empty", empty, offline=True),
    Work("scan", scan),
    Work("delete", delete),
    Work("map", delete_mapped, peer=False),
    Work("guard", delete_guarded, peer=False),
    Work("plan", delete_planned, peer=False),
)
