"""Carrying out what was planned: exactly that, and what is safe at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Literal

from regbot.errors import NotFound, RegbotError, ScriptTimeout, Stopped
from regbot.image.copy import Carried
from regbot.oci.reference import Reference
from regbot.plan.action import (
    Action,
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
)
from regbot.plan.executor import Executor
from regbot.plan.order import Links, Order
from regbot.plan.outcome import Outcome
from regbot.values import dataclass

WORKERS = 32
"""Tags and manifests deleted at once; each host's own limits hold besides."""
COPIES = 4
"""Images copied at once of a sync."""
_SEVERAL = 2
Wait = Callable[[Reference], None]
"""Waits until an image may be copied from there. Raises what the Stop raises."""
_Kind = Literal["deletes", "copies", "single"]
"""Which actions of a plan that follow one another may go at once."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One action of a plan, by the script that wanted it.

    ``created`` is the image's date in seconds since 1970, ``size`` its bytes. ``carried``
    is what a copy brings beside the image.
    """

    script: str
    action: Action
    created: float | None = None
    size: int | None = None
    carried: tuple[Carried, ...] = ()


def scripts_of(plan: Sequence[Planned]) -> tuple[str, ...]:
    """The names of the scripts that wanted a plan's actions."""
    return tuple(dict.fromkeys(planned.script for planned in plan))


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
            outcome.carried,
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


def carry_out(
    plan: Sequence[Planned],
    executor_of: Callable[[str], Executor],
    *,
    syncs: Mapping[str, Wait] = MappingProxyType({}),
) -> None:
    """Carry out a plan, in its order but for tags and removals, which go many at once.

    What fails is among the executors' outcomes. After a copy or put that failed nothing
    further of that script is done, since its later deletes may rest on it; after a step
    of a removal that was not done, none of its later steps. Raises Stopped or
    ScriptTimeout when it has to end.

    ``syncs`` are the scripts that are syncs, each with what its copies wait for. Their copies
    also go many at once. One that failed stops only what it was a backup for, and the deletes.
    """
    work = _Carrying(executor_of, syncs)
    with (
        ThreadPoolExecutor(WORKERS, thread_name_prefix="apply") as pool,
        ThreadPoolExecutor(COPIES, thread_name_prefix="copy") as copying,
    ):
        for (kind, _), batch in groupby(plan, work.batch_of):
            together = list(batch)
            match kind:
                case "deletes":
                    for stage in work.stages(together, pool):
                        work.do_all(stage, pool)
                case "copies":
                    for stage in _backups_first(together):
                        work.do_all(stage, copying)
                case "single":
                    for planned in together:
                        work.do_all([planned], pool)


class _Carrying:
    """What may still be done of a plan."""

    def __init__(self, executor_of: Callable[[str], Executor], syncs: Mapping[str, Wait]) -> None:
        self._executor_of = executor_of
        self._syncs = syncs
        self._broken: set[str] = set()
        self._without_backup: set[Reference | None] = set()
        self._executors: dict[str, Executor] = {}

    def batch_of(self, planned: Planned) -> tuple[_Kind, str]:
        """The kind of an action; of a copy also its sync, which may copy what another one did."""
        kind = self._kind(planned)
        return kind, planned.script if kind == "copies" else ""

    def _kind(self, planned: Planned) -> _Kind:
        """What an action may go with at once; a single one goes by itself.

        Before a manifest that a script deletes by its digest all tags are looked at anew.
        """
        match planned.action:
            case DeleteTag():
                return "deletes"
            case DeleteManifest(removal=removal) if removal:
                return "deletes"
            case CopyImage() if planned.script in self._syncs:
                return "copies"
        return "single"

    def stages(self, deletes: Sequence[Planned], pool: ThreadPoolExecutor) -> list[list[Planned]]:
        """The deletes that may go at once, and those that have to come after them."""
        door = self._executor(deletes[0])
        links = self._all_links(deletes, pool)
        order = Order(
            door.repository_of,
            links.__getitem__,
            lambda reference: door.reading(reference).last_tag_takes_manifest,
        )
        stages: dict[int, list[Planned]] = {}
        for planned in deletes:
            if isinstance(planned.action, DeleteTag | DeleteManifest):
                stages.setdefault(order.stage_of(planned.action), []).append(planned)
        return [stages[number] for number in sorted(stages)]

    def _all_links(
        self, deletes: Sequence[Planned], pool: ThreadPoolExecutor
    ) -> dict[Reference, Links]:
        """What the manifests list and refer to; of a single removal that need not be known."""
        actions = [each.action for each in deletes if isinstance(each.action, DeleteManifest)]
        references = [action.reference for action in actions]
        if len({action.removal for action in actions}) < _SEVERAL:
            return dict.fromkeys(references, ())
        door = self._executor(deletes[0])
        return dict(zip(references, pool.map(partial(_links, door), references), strict=True))

    def do_all(self, stage: Sequence[Planned], pool: ThreadPoolExecutor) -> None:
        """Do what may go at once, tags before manifests."""
        tags = [planned for planned in stage if isinstance(planned.action, DeleteTag)]
        others = [planned for planned in stage if not isinstance(planned.action, DeleteTag)]
        for part in (tags, others):
            for _ in pool.map(self.do, part):
                continue
        self.settle()

    def _executor(self, planned: Planned) -> Executor:
        if planned.script not in self._executors:
            self._executors[planned.script] = self._executor_of(planned.script)
        return self._executors[planned.script]

    def do(self, planned: Planned) -> None:
        """Do an action, or skip it and say why."""
        executor = self._executor(planned)
        is_copy = self._kind(planned) == "copies"
        if is_copy and planned.action.reference in self._without_backup:
            executor.skip(planned.action, "its backup failed")
            return
        if planned.script in self._broken and not is_copy:
            executor.skip(planned.action, "an earlier copy or put of the script failed")
            return
        try:
            if isinstance(planned.action, DeleteTag):
                executor.begin(planned.action)
            else:
                if isinstance(planned.action, CopyImage) and is_copy:
                    self._syncs[planned.script](planned.action.source)
                executor.execute(_with_named_tags(planned.action))
        except (Stopped, ScriptTimeout):
            raise
        except RegbotError:
            if not isinstance(planned.action, DeleteTag | DeleteManifest):
                self._broken.add(planned.script)
            if is_copy:
                self._without_backup.add(_read_by(planned.action))

    def settle(self) -> None:
        """Finish the deletes that were begun; those that fail are among the outcomes."""
        for executor in self._executors.values():
            try:
                executor.settle()
            except (Stopped, ScriptTimeout):
                raise
            except RegbotError:
                continue


def _with_named_tags(action: Action) -> Action:
    """The same; with a manifest go the tags that the plan names, which the guard judged."""
    if isinstance(action, DeleteManifest) and action.allowed_tags is None:
        return replace(action, allowed_tags=())
    return action


def _backups_first(copies: Sequence[Planned]) -> list[list[Planned]]:
    """The copies of what others will replace, and then those."""
    replaced = {planned.action.reference for planned in copies}
    stages: list[list[Planned]] = [[], []]
    for planned in copies:
        is_backup = _read_by(planned.action) in replaced
        stages[0 if is_backup else 1].append(planned)
    return stages


def _read_by(action: Action) -> Reference | None:
    """The tag that a copy reads, if it reads one."""
    if not isinstance(action, CopyImage) or action.source.tag is None:
        return None
    return action.source.with_tag(action.source.tag)


def _links(door: Executor, reference: Reference) -> Links:
    """What a manifest lists and refers to; one that is gone does neither."""
    try:
        manifest = door.reading(reference).manifest(reference.name)
        below = {child.digest for child in manifest.manifests}
        return below | {manifest.subject.digest} if manifest.subject else below
    except (Stopped, ScriptTimeout):
        raise
    except NotFound:
        return ()
    except RegbotError:
        return None
