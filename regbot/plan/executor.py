"""The one door to writes: an executor applies actions, or only records them.

Bindings hold an executor and no writable store, so a dry run can't leak.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from regbot.errors import NotFound, RegbotError
from regbot.events import Emit, Level, Message
from regbot.oci.digest import Digest
from regbot.plan.action import Action, DeleteManifest, DeleteTag, Outcome, Status
from regbot.store.protocol import ReadStores, Stores


class Executor(Protocol):
    """Where actions go."""

    @property
    def dry_run(self) -> bool:
        """Whether actions are only recorded."""
        ...

    def execute(self, action: Action) -> Outcome:
        """Apply or record an action. Raises RegbotError when it can't be done."""
        ...


class Ledger:
    """What became of every action, in order; shared by the scripts of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._lock:
            self._outcomes.append(outcome)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes so far."""
        with self._lock:
            return tuple(self._outcomes)


class _Recorder:
    """Keeps and announces what became of one script's actions."""

    def __init__(self, script: str, ledger: Ledger, emit: Emit, *, dry_run: bool) -> None:
        self._script = script
        self._ledger = ledger
        self._emit = emit
        self._dry_run = dry_run

    def record(
        self, action: Action, status: Status, digest: Digest | None = None, detail: str = ""
    ) -> Outcome:
        outcome = Outcome(self._script, action, status, digest, detail)
        self._ledger.add(outcome)
        self._emit(_message(outcome, dry_run=self._dry_run))
        return outcome


def _message(outcome: Outcome, *, dry_run: bool) -> Message:
    action = outcome.action
    fields: dict[str, str | bool] = {"script": outcome.script, "image": str(action.reference)}
    if outcome.digest:
        fields["digest"] = str(outcome.digest)
    if action.reason:
        fields["reason"] = action.reason
    if outcome.detail:
        fields["detail"] = outcome.detail
    if dry_run:
        fields["dry-run"] = True
    levels: dict[Status, Level] = {"failed": "error", "skipped": "warn"}
    words = {"done": action.verb, "planned": action.verb}
    text = words.get(outcome.status, f"{action.verb}: {outcome.status}")
    return Message(levels.get(outcome.status, "info"), text, fields)


class LiveExecutor:
    """Applies actions at once, and records each."""

    dry_run = False

    def __init__(self, script: str, stores: Stores, ledger: Ledger, emit: Emit) -> None:
        self._stores = stores
        self._recorder = _Recorder(script, ledger, emit, dry_run=False)

    def execute(self, action: Action) -> Outcome:
        """Apply an action. What fails is recorded as failed and raised."""
        try:
            match action:
                case DeleteTag():
                    return self._delete_tag(action)
                case DeleteManifest():
                    return self._delete_manifest(action)
        except RegbotError as error:
            self._recorder.record(action, "failed", action.digest, str(error))
            raise

    def _delete_tag(self, action: DeleteTag) -> Outcome:
        store = self._stores.open(action.reference)
        tag = action.reference.tag
        found: Digest | None = None
        try:
            found = store.head(tag).digest
            if action.digest and found != action.digest:
                detail = f"moved since the script looked: now {found}"
                return self._recorder.record(action, "skipped", action.digest, detail)
            store.delete_tag(tag)
        except NotFound:
            if not (action.listed or found):
                raise
            return self._recorder.record(action, "done", action.digest or found, "already gone")
        return self._recorder.record(action, "done", found)

    def _delete_manifest(self, action: DeleteManifest) -> Outcome:
        self._stores.open(action.reference).delete_manifest(action.digest)
        return self._recorder.record(action, "done", action.digest)


class DryRunExecutor:
    """Records actions and changes nothing: its stores can only read."""

    dry_run = True

    def __init__(self, script: str, stores: ReadStores, ledger: Ledger, emit: Emit) -> None:
        self._stores = stores
        self._recorder = _Recorder(script, ledger, emit, dry_run=True)

    def execute(self, action: Action) -> Outcome:
        """Record an action, after the same look at the registry as a live run takes."""
        try:
            digest = self._stores.open(action.reference).head(_name(action)).digest
        except NotFound as error:
            if isinstance(action, DeleteTag) and action.listed:
                return self._recorder.record(action, "planned", action.digest, "already gone")
            self._recorder.record(action, "failed", action.digest, str(error))
            raise
        if isinstance(action, DeleteTag) and action.digest and digest != action.digest:
            detail = f"moved since the script looked: now {digest}"
            return self._recorder.record(action, "skipped", action.digest, detail)
        return self._recorder.record(action, "planned", digest)


def _name(action: Action) -> str:
    return action.reference.tag if isinstance(action, DeleteTag) else str(action.digest)


MakeExecutor = Callable[[str], Executor]
"""An executor for a script's name."""
