"""Deletion under faults, by machine: random repositories, steps and faults, on every preset.

What must hold after each step is in ``support.deleting``. ``REGBOT_MACHINE_RUNS`` is how
many runs there are over all presets together (default: 500).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.deleting import NO_TROUBLE, REPOSITORY, Facts, Lab, Trouble
from support.images import Image, make_image, make_index, make_referrer, push
from support.inprocess import InProcess, one_thread
from support.registry import PRESETS, Fault, Quirks, TestRegistry
from support.registry.auth import Door

from regbot.http.exchange import Exchange
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.remote import RemoteStore

RUNS = int(os.environ.get("REGBOT_MACHINE_RUNS", "500"))
MEMORY = Path("/dev/shm")

PLAIN = make_image(labels={"n": "1"})
OTHER = make_image(labels={"n": "2"}, docker=True)
CHILD = make_image(platform="linux/arm64")
INDEX = make_index({"linux/amd64": PLAIN, "linux/arm64": CHILD})
SECOND = make_index({"linux/arm64": CHILD, "linux/s390x": make_image(platform="linux/s390x")})
SIGNATURE = make_referrer(PLAIN.manifest)
IMAGES = {
    "plain": PLAIN,
    "other": OTHER,
    "child": CHILD,
    "index": INDEX,
    "second": SECOND,
    "signature": SIGNATURE,
}
TAGS = ("a", "b", "c", "d", "e")

TAG, DIGEST = r"/manifests/(?!sha256:|sha256-)", r"/manifests/sha256:"
PLACES = (TAG, DIGEST, "/tags/list", "/blobs/", "/referrers/")


class Memory:
    """The registry of the tests, asked without a connection."""

    def __init__(self, preset: Quirks) -> None:
        self.quirks = replace(preset, auth="", blob_redirect=False, rate_limit=0)
        self.registry = TestRegistry(self.quirks, listens=False)
        self.registry.__enter__()
        self.name = self.registry.name
        self._asks = Door(preset, lambda: f"https://{self.name}").challenge()
        self._content = self.registry.content.repository(REPOSITORY)
        self.protected = self._content.protected

    def bind(self, stop: Stop) -> Exchange:
        return InProcess(self.registry, self.name, self._asks, stop)

    def fill(self, tag: str, image: Image) -> None:
        place = Reference("registry", self.name, REPOSITORY)
        push(RemoteStore(self.bind(Stop()), place), image, tag)

    def facts(self) -> Facts:
        manifests = self.registry.manifests(REPOSITORY)
        tags = self.registry.tags(REPOSITORY)
        return Facts({tag: at for tag, at in tags.items() if at in manifests}, manifests)

    def move(self, tag: str, digest: str) -> None:
        self._content.tag(tag, digest)

    def break_by(self, faults: Any) -> None:
        self.registry.faults.clear()
        for fault in faults:
            self.registry.faults.plan(fault)

    def settle(self) -> None:
        self.registry.content.settle()


def _fault(kind: str, methods: tuple[str, ...], places: tuple[str, ...], **how: Any) -> Any:
    return st.builds(
        Fault,
        kind=st.just(kind),
        method=st.sampled_from(methods),
        path=st.sampled_from(places),
        after=st.integers(0, 4),
        times=st.sampled_from((1, 2, 3, 5, 100)),
        **how,
    )


WRITES, READS = ("DELETE", "PUT"), ("HEAD", "GET")
STATUSES = st.sampled_from((403, 429, 500, 503))
FAULTS = st.one_of(
    _fault("status", WRITES, (TAG, DIGEST), status=STATUSES),
    _fault("status", READS, PLACES, status=STATUSES),
    _fault("drop", (*WRITES, *READS), PLACES),
    _fault("lost answer", WRITES, (TAG, DIGEST)),
    _fault("otherwise", WRITES, (TAG, DIGEST), status=STATUSES),
    _fault("late", WRITES, (TAG, DIGEST), requests=st.integers(1, 4)),
    _fault("stale", READS, (TAG, DIGEST)),
    _fault("refused and hidden", ("DELETE",), (TAG, DIGEST), status=STATUSES),
)


def _swap_fault(method: str, place: str, after: tuple[int, ...]) -> Any:
    return st.builds(
        Fault,
        kind=st.sampled_from(("status", "drop", "lost answer", "otherwise", "late")),
        method=st.just(method),
        path=st.just(place),
        after=st.sampled_from(after),
        times=st.sampled_from((1, 3, 100, 100)),
        status=STATUSES,
        requests=st.integers(1, 4),
    )


SWAP_FAULTS = st.tuples(
    _swap_fault("DELETE", DIGEST, (0, 1, 1)), _swap_fault("PUT", TAG, (0, 1, 1, 2))
)
"""What goes wrong where a tag is taken away by way of a small manifest."""
TROUBLES = st.one_of(
    st.just(NO_TROUBLE),
    st.builds(Trouble, SWAP_FAULTS),
    st.builds(Trouble, st.lists(FAULTS, min_size=1, max_size=3).map(tuple)),
    st.builds(Trouble, st.lists(FAULTS, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Trouble,
        st.lists(FAULTS, max_size=2).map(tuple),
        st.builds(
            Fault,
            kind=st.just("call"),
            method=st.sampled_from((*WRITES, *READS)),
            path=st.sampled_from(PLACES[:3]),
            after=st.integers(0, 3),
        ),
    ),
)


class Deletion(RuleBasedStateMachine):
    """Steps over one repository of one preset."""

    preset: Quirks

    def __init__(self) -> None:
        super().__init__()
        place = MEMORY if MEMORY.is_dir() else None
        self._folder = tempfile.TemporaryDirectory(dir=place)
        self.world = Memory(self.preset)
        self.lab = Lab(self.world, Path(self._folder.name))

    @initialize(
        content=st.dictionaries(st.sampled_from(TAGS), st.sampled_from(tuple(IMAGES)), min_size=2),
        protected=st.sets(st.sampled_from(TAGS), max_size=1),
    )
    def fill(self, content: dict[str, str], protected: set[str]) -> None:
        for tag, image in sorted(content.items()):
            self.world.fill(tag, IMAGES[image])
        self.world.protected.update(protected)

    def _tag(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.lab.tags))

    @precondition(lambda self: self.lab.tags)
    @rule(data=st.data(), seen=st.sampled_from(("nothing", "listed", "digest")), trouble=TROUBLES)
    def delete_tag(self, data: st.DataObject, seen: str, trouble: Trouble) -> None:
        self.lab.delete_tag(self._tag(data), seen, trouble)

    @precondition(lambda self: self.lab.tags)
    @rule(data=st.data(), trouble=TROUBLES)
    def delete_manifest(self, data: st.DataObject, trouble: Trouble) -> None:
        digest = self.world.facts().tags[self._tag(data)]
        self.lab.delete_manifest(digest, trouble)

    @precondition(lambda self: self.lab.tags)
    @rule(data=st.data(), children=st.booleans(), referrers=st.booleans(), trouble=TROUBLES)
    def remove(
        self, data: st.DataObject, children: bool, referrers: bool, trouble: Trouble
    ) -> None:
        self.lab.remove(self._tag(data), children=children, referrers=referrers, trouble=trouble)

    @precondition(lambda self: self.lab.tags)
    @rule(data=st.data(), onto=st.sampled_from(TAGS), trouble=TROUBLES)
    def copy(self, data: st.DataObject, onto: str, trouble: Trouble) -> None:
        self.lab.copy(self._tag(data), onto, trouble)

    @precondition(lambda self: self.lab.tags)
    @rule(data=st.data(), trouble=TROUBLES)
    def plan_and_apply(self, data: st.DataObject, trouble: Trouble) -> None:
        tags = self.lab.tags
        seen = st.sampled_from(("listed", "digest"))
        deletes = data.draw(st.dictionaries(st.sampled_from(tags), seen, min_size=1))
        digests = sorted(self.world.facts().tags[tag] for tag in tags)
        moves = st.dictionaries(st.sampled_from(tags), st.sampled_from(digests), max_size=1)
        moved = data.draw(moves)
        if moved:  # what moved and is shown as it was can't be told from what did not move
            trouble = replace(trouble, faults=tuple(f for f in trouble.faults if f.kind != "stale"))
        self.lab.plan_and_apply(sorted(deletes.items()), moved, trouble)

    @precondition(lambda self: self.lab.runs)
    @rule(data=st.data(), trouble=TROUBLES)
    def undo(self, data: st.DataObject, trouble: Trouble) -> None:
        self.lab.undo(data.draw(st.sampled_from(self.lab.runs)), trouble)

    def teardown(self) -> None:
        try:
            for run in reversed(self.lab.runs):
                self.lab.undo(run)
        finally:
            self._folder.cleanup()


@pytest.mark.parametrize("preset", PRESETS)
def test_deletion(preset: str) -> None:
    """No tag but the asked one changes, no kept index lacks a child, all can be undone."""
    machine = type(f"Deletion on {preset}", (Deletion,), {"preset": PRESETS[preset]})
    how = settings(
        max_examples=max(1, RUNS // len(PRESETS)),
        stateful_step_count=8,
        suppress_health_check=list(HealthCheck),
    )
    with one_thread():
        run_state_machine_as_test(machine, settings=how)
