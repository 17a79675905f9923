"""Carrying out what was planned: exactly that, and what is safe at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby

from regbot.errors import RegbotError, ScriptTimeout, Stopped
from regbot.plan.action import (
    Action,
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
)
from regbot.plan.executor import Executor
from regbot.plan.outcome import Outcome
from regbot.values import dataclass

WORKERS = 16
"""Tags deleted at once; each host's own limits hold besides."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One action of a plan, by the script that wanted it.

    ``created`` is the image's date in seconds since 1970, ``size`` its bytes.
    """

    script: str
    action: Action
    created: float | None = None
    size: int | None = None


def planned_from(outcomes: Sequence[Outcome]) -> list[Planned]:
    """The plan that a simulation leaves, each action held to what it was decided on.

    A tag that was listed and then not there has no digest, and there is nothing to do.
    """
    return [
        Planned(
            outcome.script,
            _pinned(outcome),
            outcome.evidence.created if outcome.evidence else None,
            outcome.evidence.size if outcome.evidence else None,
        )
        for outcome in outcomes
        if outcome.status == "planned" and (outcome.digest or outcome.action.digest)
    ]


def _pinned(outcome: Outcome) -> Action:
    action = outcome.action
    match action:
        case DeleteTag():
            return replace(action, digest=outcome.digest, may_be_gone=True)
        case DeleteManifest():
            tags = outcome.evidence.tags if outcome.evidence else ()
            return replace(action, allowed_tags=tags, may_be_gone=True)
        case CopyImage() if outcome.digest:
            source = replace(action.source, digest=outcome.digest)
            return replace(action, source=source, digest=outcome.digest)
        case ExportTar() | ImportTar():
            return replace(action, digest=outcome.digest)
    return action


def carry_out(plan: Sequence[Planned], executor_of: Callable[[str], Executor]) -> None:
    """Carry out a plan, in its order but for tags, which are deleted many at once.

    What fails is among the executors' outcomes. After a copy or put that failed nothing
    further of that script is done, since its later deletes may rest on it; after a step
    of a removal that was not done, none of its later steps. Raises Stopped or
    ScriptTimeout when it has to end.
    """
    work = _Carrying(executor_of)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="apply") as pool:
        for together in _stages(plan):
            for _ in pool.map(work.do, together):
                continue
            work.settle()


class _Carrying:
    """What may still be done of a plan."""

    def __init__(self, executor_of: Callable[[str], Executor]) -> None:
        self._executor_of = executor_of
        self._broken: set[str] = set()
        self._executors: dict[str, Executor] = {}

    def do(self, planned: Planned) -> None:
        """Do an action, or skip it and say why."""
        executor = self._executors.setdefault(planned.script, self._executor_of(planned.script))
        if planned.script in self._broken:
            executor.skip(planned.action, "an earlier copy or put of the script failed")
            return
        try:
            if isinstance(planned.action, DeleteTag):
                executor.begin(planned.action)
            else:
                executor.execute(planned.action)
        except (Stopped, ScriptTimeout):
            raise
        except RegbotError:
            if not isinstance(planned.action, DeleteTag | DeleteManifest):
                self._broken.add(planned.script)

    def settle(self) -> None:
        """Finish the deletes that were begun; those that fail are among the outcomes."""
        for executor in self._executors.values():
            try:
                executor.settle()
            except (Stopped, ScriptTimeout):
                raise
            except RegbotError:
                continue


def _stages(plan: Sequence[Planned]) -> Iterator[list[Planned]]:
    """Deletes of tags that follow one another together, anything else alone.

    A step of a removal may have to be skipped, which the step before it decides.
    """

    def is_free(planned: Planned) -> bool:
        return isinstance(planned.action, DeleteTag) and not planned.action.removal

    for together, group in groupby(plan, is_free):
        if together:
            yield list(group)
        else:
            yield from ([planned] for planned in group)
