"""Runs a retention policy over repositories: what goes is deleted as a script would do it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field

from regbot.config.values import Script
from regbot.errors import NotFound, RegbotError, ScriptTimeout, Stopped
from regbot.events import Emit, Level, Message
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.carrying import Planned, carry_out
from regbot.plan.session import Session
from regbot.plan.uses import InUse
from regbot.rules.content import StoreContent
from regbot.rules.deciding import decide
from regbot.rules.decision import Decision, Decisions
from regbot.rules.policy import Policy
from regbot.run.repositories import expanded
from regbot.stopping import Stop
from regbot.values import dataclass


@dataclass(slots=True)
class Retention:
    """One run of a policy. ``now`` is in seconds since 1970, ``blob_limit`` in bytes."""

    script: Script
    policy: Policy
    session: Session
    stop: Stop
    emit: Emit
    now: float
    blob_limit: int
    in_use: InUse | None = None
    failures: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Do what the policy says in each repository. Gives why, for each where it failed.

        Raises Stopped and ScriptTimeout.
        """
        done: set[Reference] = set()
        for part in self.script.repositories:
            found: list[Reference] = []
            with self._failing(part.registry):
                found = expanded(part, self.session.stores)
            for repository in found:
                if repository not in done:
                    done.add(repository)
                    self._try(repository, is_named=part.names is not None)
        if not done and not self.failures:
            self.emit(Message("warn", "no repository fits", {"script": self.script.name}))
        return self.failures

    def _try(self, repository: Reference, *, is_named: bool) -> None:
        with self._failing(str(repository)):
            try:
                self._keep(repository)
            except NotFound:
                if is_named:
                    raise
                self._say("debug", "it is listed, but has no tags", str(repository))

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """What fails here ends nothing else."""
        try:
            yield
        except (Stopped, ScriptTimeout):
            raise
        except RegbotError as error:
            text = str(error)
            self.failures.append(text if what in text else f"{what}: {text}")
            self._say("error", text, what)

    def _keep(self, repository: Reference) -> None:
        store = self.session.stores.open(repository)
        content = StoreContent(store, self.stop, blob_limit=self.blob_limit)
        decisions = decide(content, self.policy, self.now, self.in_use)
        deletes = list(deletes_of(decisions))
        text = f"{len(deletes)} of {len(decisions.all)} tags are to be deleted"
        self._say("info", text, str(repository))
        plan = [Planned(self.script.name, action) for action in deletes]
        carry_out(plan, lambda _: self.session.executor)

    def _say(self, level: Level, text: str, repository: str) -> None:
        fields = {"script": self.script.name, "repository": repository}
        self.emit(Message(level, text, fields))


def deletes_of(decisions: Decisions) -> Iterator[DeleteTag]:
    """The deletes that decisions lead to: images first, then what goes with them.

    What goes with an image is a later step of the same removal, so it stays where the image
    could not be deleted.
    """
    images = [each for each in decisions.deleted if not each.owners]
    attached = [each for each in decisions.deleted if each.owners]
    groups = _groups(each.owners for each in attached)
    grouped = frozenset[Digest]().union(*groups)
    yield from (
        _delete(decisions.repository, each) for each in images if each.digest not in grouped
    )
    for group in groups:
        removal = f"{decisions.repository}@{min(group, key=str)}"
        together = [each for each in images if each.digest in group]
        together += [each for each in attached if each.owners <= group]
        yield from (_delete(decisions.repository, each, removal) for each in together)


def _groups(owners: Iterable[frozenset[Digest]]) -> list[frozenset[Digest]]:
    """The digests that share anything which goes with them, together."""
    groups: list[frozenset[Digest]] = []
    for each in owners:
        joined = each.union(*(group for group in groups if group & each))
        groups = [*(group for group in groups if not group & each), joined]
    return groups


def _delete(repository: Reference, decision: Decision, removal: str = "") -> DeleteTag:
    return DeleteTag(
        repository.with_tag(decision.tag),
        decision.reason,
        decision.digest,
        may_be_gone=True,
        removal=removal,
    )
