"""A repository that runs delete from while requests break, and what must hold after each.

``Lab`` does one thing at a time through regbot's own door, as a run of its own with a
journal, and then compares what is there with what was there before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from regbot.errors import RegbotError
from regbot.events import Event, LeftBehind, ignore
from regbot.http.exchange import Exchange
from regbot.image.options import CopyOptions
from regbot.journal.opening import open_journal
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.journal.undo import undo
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action, CopyImage, DeleteManifest, DeleteTag
from regbot.plan.carrying import Planned, carry_out, planned_from
from regbot.plan.executor import Executor, Terms
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.session import Session, open_session
from regbot.stopping import Stop
from regbot.store.proof import PROOF_TAG
from support.images import Image
from support.registry import Fault, Quirks


@dataclass(frozen=True, slots=True)
class Facts:
    """What a repository holds: tags and their digests, manifests' bytes by digest."""

    tags: Mapping[str, str]
    manifests: Mapping[str, bytes]

    def children(self, digest: str) -> list[str]:
        listed = json.loads(self.manifests.get(digest, b"{}")).get("manifests") or []
        return [entry["digest"] for entry in listed]

    def kept_children(self) -> set[str]:
        """What the indexes at tags list, directly or not; lists of referrers aside."""
        found: set[str] = set()
        waiting = [digest for tag, digest in self.tags.items() if not is_own(tag)]
        while waiting:
            listed = self.children(waiting.pop())
            waiting += [child for child in listed if child not in found]
            found.update(listed)
        return found

    def is_small(self, digest: str) -> bool:
        """Whether a manifest is one that regbot takes tags away with."""
        layers = json.loads(self.manifests.get(digest, b"{}")).get("layers") or []
        return [layer["size"] for layer in layers] == [29]


class World(Protocol):
    """A registry with one repository."""

    name: str
    repository: str
    quirks: Quirks
    protected: set[str]

    def bind(self, stop: Stop) -> Exchange: ...

    def fill(self, tag: str, image: Image) -> None:
        """Push an image."""

    def facts(self) -> Facts: ...

    def move(self, tag: str, digest: str) -> None:
        """What another client does."""

    def break_by(self, faults: Sequence[Fault]) -> None:
        """Break requests from now on; without faults none breaks any more."""

    def settle(self) -> None:
        """Let happen what is still to come."""


@dataclass(slots=True)
class Time:
    """Time that passes only when somebody waits."""

    now: float = 1000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, event: object, seconds: float) -> None:
        self.now += seconds


@dataclass(slots=True)
class Trouble:
    """What goes wrong in a step: faults, and somebody who asks to stop."""

    faults: tuple[Fault, ...] = ()
    stop_at: Fault | None = None

    def __bool__(self) -> bool:
        return bool(self.faults or self.stop_at)

    @property
    def is_stale(self) -> bool:
        """Whether the registry shows what was there before."""
        return any(fault.kind == "stale" for fault in self.faults)


NO_TROUBLE = Trouble()


@dataclass(slots=True)
class Asked:
    """What a step may change: tags that may go, digests that may, and tags that may be put."""

    tags: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    puts: dict[str, set[str]] = field(default_factory=dict)


class Lab:
    """One repository and its journal. Every method is a step; it raises what does not hold."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.runs: list[str] = []
        self._settings = JournalSettings(folder, 1e9, "bot.yml", "f00d")
        self._left: dict[str, str] = {}
        self._facts: Facts | None = None

    @property
    def facts(self) -> Facts:
        """What the repository holds, as it was after the last step."""
        if self._facts is None:
            self._facts = self.world.facts()
        return self._facts

    @property
    def tags(self) -> list[str]:
        return sorted(tag for tag in self.facts.tags if not is_own(tag))

    def reference(self, tag: str = "") -> Reference:
        place = Reference("registry", self.world.name, self.world.repository)
        return place.with_tag(Tag.parse(tag)) if tag else place

    def delete_tag(self, tag: str, seen: str, trouble: Trouble = NO_TROUBLE) -> None:
        """``seen`` is how much the script saw: nothing, listed, or the digest."""
        action = self._delete_of(tag, seen)
        self._step([action], Asked(tags={tag}), trouble)

    def delete_manifest(self, digest: str, trouble: Trouble = NO_TROUBLE) -> None:
        facts = self.facts
        if facts.is_small(digest):
            return  # who deletes a placeholder by its digest gets it back from an undo
        tags = {tag for tag, target in facts.tags.items() if target == digest}
        found = Digest.parse(digest)
        action = DeleteManifest(self.reference().with_digest(found), found)
        self._step([action], Asked(tags, {digest}), trouble)

    def copy(self, source: str, target: str, trouble: Trouble = NO_TROUBLE) -> None:
        facts = self.facts
        if self._is_left(source, facts):
            return
        digests = {facts.tags[source]}
        if trouble.is_stale:
            digests |= facts.manifests.keys()  # what the source was on before
        action = CopyImage(self.reference(source), self.reference(target), CopyOptions())
        self._step([action], Asked(puts={target: digests}), trouble)

    def remove(
        self, tag: str, *, children: bool, referrers: bool, trouble: Trouble = NO_TROUBLE
    ) -> None:
        """A tag with what only that one needed."""
        facts = self.facts

        def work(executor: Executor) -> None:
            executor.remove(
                self.reference(tag), children=children, referrers=referrers, reason="old"
            )

        kept = Facts({name: at for name, at in facts.tags.items() if name != tag}, facts.manifests)
        needed = kept.kept_children() | set(kept.tags.values())
        free = set(facts.manifests) - needed
        self._do("once", work, Asked({tag}, free), trouble)

    def plan_and_apply(
        self,
        deletes: Sequence[tuple[str, str]],
        moved: Mapping[str, str],
        trouble: Trouble = NO_TROUBLE,
    ) -> None:
        """Plan deletes of tags, let somebody move tags, and apply the plan."""
        actions = [self._delete_of(tag, seen) for tag, seen in deletes]
        outcomes = Outcomes()
        stop = self._stop()
        events: list[Event] = []
        before = self.facts
        with open_session(
            "clean",
            self.world.bind,
            stop=stop,
            emit=events.append,
            outcomes=outcomes,
            terms=Terms(dry_run=True, evidence=True),
        ) as session:
            for action in actions:
                with suppress(RegbotError):
                    session.executor.begin(action)
            with suppress(RegbotError):
                session.executor.settle()
        assert self.world.facts() == before, "a dry run changed something"
        plan = planned_from(outcomes.all)
        for tag, digest in moved.items():
            self.world.move(tag, digest)
            self._facts = None

        def work(executor: Executor) -> None:
            carry_out(plan, lambda _: executor)

        pinned = {planned.action.reference.tag for planned in plan if _as_planned(planned, self)}
        self._do("apply", work, Asked(pinned), trouble)

    def undo(self, run: str, trouble: Trouble = NO_TROUBLE) -> None:
        """Put back what a run deleted."""
        before = self.facts
        with open_journal(self._settings.state) as journal:
            deletes = [
                action
                for action in journal.actions(run)
                if action.manifests and action.status != "skipped"
            ]
            stop = self._stop()
            self._break_by(trouble, stop)
            found = undo(journal, run, partial(self._door, stop), stop=stop)
            self._mend()
        after = self.facts
        puts: dict[str, set[str]] = {}
        for action in deletes:
            for tag in action.tags:
                puts.setdefault(tag, set()).add(str(action.digest))
        self._compare(before, after, Asked(puts=puts), [])
        if trouble:
            return
        broken = {str(each.digest) for each in deletes if each.missing}
        failed = [each for each in found if each.status == "failed"]
        failed = [each for each in failed if str(each.digest) not in broken]
        assert not failed, f"not undone: {failed}"
        for tag, digests in puts.items():
            at = before.tags.get(tag, "")
            if not at and (self.world.quirks.lists_deleted or self.world.quirks.refetches):
                continue  # it may lead somewhere again as soon as a manifest is back
            if (not at or self._is_left(tag, before)) and not digests & broken:
                assert after.tags.get(tag, "") in digests, f"{tag} is not back: {found}"
        self._left = {tag: at for tag, at in self._left.items() if self._is_left(tag, after)}

    def _door(self, stop: Stop, terms: Terms) -> AbstractContextManager[Session]:
        return open_session(
            "undo", self.world.bind, stop=stop, emit=ignore, outcomes=Outcomes(), terms=terms
        )

    def _delete_of(self, tag: str, seen: str) -> DeleteTag:
        at = self.facts.tags.get(tag, "")
        digest = Digest.parse(at) if at and seen == "digest" else None
        return DeleteTag(self.reference(tag), "old", digest, may_be_gone=seen != "nothing")

    def _step(self, actions: Sequence[Action], asked: Asked, trouble: Trouble) -> None:
        def work(executor: Executor) -> None:
            for action in actions:
                if isinstance(action, DeleteTag):
                    executor.begin(action)
                else:
                    executor.execute(action)
            executor.settle()

        self._do("once", work, asked, trouble)

    def _do(
        self, kind: str, work: Callable[[Executor], None], asked: Asked, trouble: Trouble
    ) -> None:
        before = self.facts
        slot = JournalSlot(self._settings, kind)
        outcomes, stop = Outcomes(), self._stop()
        events: list[Event] = []
        self._break_by(trouble, stop)
        try:
            with open_session(
                "clean",
                self.world.bind,
                stop=stop,
                emit=events.append,
                outcomes=outcomes,
                terms=Terms(journal=slot),
            ) as session:
                work(session.executor)
        except RegbotError:
            pass
        finally:
            slot.finish("done")
            self._mend()
        self.runs += [slot.run_id] if slot.run_id else []
        after = self.facts
        self._left |= {
            event.reference.rpartition(":")[2]: event.digest
            for event in events
            if isinstance(event, LeftBehind)
        }
        self._compare(before, after, asked, outcomes.all, trouble)
        for outcome in outcomes.all:
            self._check(outcome, before, after, trouble)

    def _stop(self) -> Stop:
        time = Time()
        return Stop(clock=time.clock, sleep=time.sleep)

    def _break_by(self, trouble: Trouble, stop: Stop) -> None:
        faults = list(trouble.faults)
        if trouble.stop_at is not None:
            at = trouble.stop_at
            faults.append(Fault("call", at.method, at.path, at.after, call=stop.ask))
        self.world.break_by(faults)

    def _mend(self) -> None:
        self.world.break_by(())
        self.world.settle()
        self._facts = None

    def _is_left(self, tag: str, facts: Facts) -> bool:
        return facts.is_small(facts.tags.get(tag, ""))

    def _compare(
        self,
        before: Facts,
        after: Facts,
        asked: Asked,
        outcomes: Iterable[Outcome],
        trouble: Trouble = NO_TROUBLE,
    ) -> None:
        """Nothing has changed but what was asked for."""
        for tag in sorted(before.tags.keys() | after.tags.keys()):
            was, now = before.tags.get(tag, ""), after.tags.get(tag, "")
            if is_own(tag) or was == now:
                continue
            if self._is_left(tag, after):
                assert tag in self._left, f"{tag} is left on a placeholder, and nothing said so"
                continue
            if now and now in asked.puts.get(tag, ()):
                continue
            if not was and (self.world.quirks.lists_deleted or self.world.quirks.refetches):
                continue  # what the registry kept of a deleted tag came back
            assert tag in asked.tags, f"{tag} changed from {was} to {now}, and nobody asked"
            assert not now, f"{tag} changed from {was} to {now}"
        lost = before.manifests.keys() - after.manifests.keys() - asked.digests
        lost = {digest for digest in lost if not before.is_small(digest)}
        kept = lost & after.kept_children()
        hidden = self.world.quirks.last_tag and trouble.is_stale  # that another tag is an index
        assert not kept or hidden, f"kept indexes lack {kept}"
        if not (self.world.quirks.last_tag or self.world.quirks.hidden_tags):
            lists = {at for tag, at in before.tags.items() if is_own(tag)}
            assert lost <= lists, f"deleted beside what was asked: {lost}"

    def _check(self, outcome: Outcome, before: Facts, after: Facts, trouble: Trouble) -> None:
        """What is said of an action is true."""
        action, digest = outcome.action, str(outcome.digest)
        if isinstance(action, DeleteTag):
            tag = action.reference.tag
            now = after.tags.get(tag, "")
            if outcome.status == "done":
                if self.world.quirks.refetches and trouble:
                    return  # the tag came back when nobody could look any more
                assert now != digest, f"{tag} is said to be deleted: {outcome}"
            elif not trouble and tag in self.world.protected and tag in before.tags:
                says_so = self.world.quirks.protection[0] != 403
                is_broken = set(before.children(before.tags[tag])) - before.manifests.keys()
                assert outcome.status == "skipped" or is_broken or not says_so, str(outcome)
            elif not trouble and not is_own(tag):
                assert now == before.tags.get(tag, ""), f"{tag} is gone: {outcome}"
        elif isinstance(action, DeleteManifest) and outcome.status == "done":
            tagged = digest in after.tags.values() and not self.world.quirks.lists_deleted
            assert not tagged, f"{digest} is said to be deleted: {outcome}"
            if not self.world.quirks.hidden_tags:
                assert digest not in after.manifests, f"{digest} is there: {outcome}"


def is_own(tag: str) -> bool:
    """Whether a tag is one that regbot keeps itself."""
    return tag.startswith("sha256-") or tag == PROOF_TAG


def _as_planned(planned: Planned, lab: Lab) -> bool:
    """Whether a tag still has the digest that a plan holds, or is left half deleted."""
    at = lab.facts.tags.get(planned.action.reference.tag, "")
    return at == str(planned.action.digest) or lab.facts.is_small(at)
