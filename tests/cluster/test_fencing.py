"""An attempt that has ended deletes nothing, whatever became of its process meanwhile."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.attempting import RUN, UNIT, Place, Work, attempting, do, outcome_of
from support.clients import Client
from support.images import make_image
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, Quirks, TestRegistry
from support.undoing import door_to

from regbot.errors import AttemptEnded
from regbot.journal.undo import undo
from regbot.oci.reference import Reference
from regbot.plan.action import PutManifest
from regbot.stopping import Stop
from regbot.store.opener import OpenStores

APP = "team/app"
TAGS = tuple(f"old{number}" for number in range(24))
STOPPED_AT = 9
"""The DELETE in whose middle the first attempt is suspended or killed."""
LEASE = 3.0
_LONGEST = 60.0

KINDS = {"tags deleted by name": DISTRIBUTION_3, "by a placeholder": DISTRIBUTION_2}


class Scene:
    """A registry with tags to delete, and the attempts at that."""

    def __init__(self, registry: TestRegistry, place: Place) -> None:
        self.registry = registry
        self.place = place
        for number, tag in enumerate(TAGS):
            registry.put_image(APP, tag, labels={"n": str(number)})
        registry.put_image(APP, "kept")
        place.prepare()

    def work(self, number: int, lease: float = 3600.0) -> Work:
        """The work of an attempt, which has taken the unit."""
        self.place.take(number)
        return Work(self.place, f"{self.registry.host}/{APP}", number, TAGS, lease)

    def writes(self, attempt: int) -> list[str]:
        """What an attempt sent that may change something."""
        return [
            f"{entry.method} {entry.path}"
            for entry in self.registry.requests
            if entry.headers.get("user-agent") == f"attempt/{attempt}"
            and entry.method not in ("GET", "HEAD")
        ]

    def noted(self) -> set[str]:
        """The tags whose deletes the history tells of."""
        with self.place.journal() as journal:
            return {str(action.reference.tag) for action in journal.actions(RUN)}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[Scene]:
    quirks: Quirks = request.param
    with TestRegistry(quirks) as registry:
        yield Scene(registry, Place(str(tmp_path), database_url))


@contextmanager
def broken_off(scene: Scene, work: Work, signal_number: int) -> Iterator[subprocess.Popen[str]]:
    """An attempt that gets a signal while the registry carries out a DELETE of it."""
    reached, began = threading.Event(), threading.Event()

    def send() -> None:
        assert began.wait(_LONGEST)
        process.send_signal(signal_number)
        reached.set()

    scene.registry.before("DELETE", "/manifests/", send, after=STOPPED_AT)
    with attempting(work) as process:
        began.set()
        assert reached.wait(_LONGEST)
        yield process


@pytest.mark.parametrize("fence", ["its lease", "the database"])
def test_a_process_that_wakes_up_too_late_deletes_nothing_more(scene: Scene, fence: str) -> None:
    """Law: an attempt that has ended changes nothing any more.

    Either fence is enough: the end of the lease by the clock of the process, and the database
    for one that takes its lease to be endless.
    """
    work = scene.work(1, LEASE if fence == "its lease" else 3600.0)
    with broken_off(scene, work, signal.SIGSTOP) as process:
        if fence == "its lease":
            time.sleep(LEASE)
        sent = scene.writes(1)
        do(scene.work(2))
        # Somebody needs a name again that the first attempt was about to delete.
        pushed = scene.registry.put(APP, TAGS[-1], make_image(labels={"n": "new"}))
        process.send_signal(signal.SIGCONT)
        outcome = outcome_of(process)
    assert outcome.startswith(f"AttemptEnded: attempt 1 at {UNIT} has ended: "), outcome
    assert scene.writes(1) == sent
    assert scene.registry.tags(APP)[TAGS[-1]] == pushed
    assert set(scene.registry.tags(APP)) == {"kept", TAGS[-1]}
    assert scene.noted() == set(TAGS)


def test_a_process_that_was_killed_leaves_a_unit_that_the_next_attempt_ends(scene: Scene) -> None:
    before = scene.registry.tags(APP)
    with broken_off(scene, scene.work(1), signal.SIGKILL) as process:
        process.wait()
    do(scene.work(2))
    assert set(scene.registry.tags(APP)) == {"kept"}
    with Client(scene.registry.host) as client, scene.place.journal() as journal:
        undo(journal, RUN, door_to(OpenStores(client.exchange), Stop()), stop=Stop())
    assert scene.registry.tags(APP) == before


def test_no_action_begins_without_a_look_at_the_database(scene: Scene) -> None:
    """Deletes, and everything else that is noted in the journal."""
    work = scene.work(1)
    scene.place.take(2)
    manifest = make_image().manifest
    put = PutManifest(Reference.parse(f"{scene.registry.host}/{APP}:new"), manifest)
    for own in (work, Work(work.place, work.repository, 1, ())):
        with pytest.raises(AttemptEnded, match="a newer one has begun, or its run was cancelled"):
            do(own, [put])
    assert scene.writes(1) == []
    assert scene.noted() == set()
