"""The machine that tries deletion under faults: what a repository holds, the steps, the faults.

What must hold after each step is in ``support.deleting``. ``REGBOT_MACHINE_RUNS`` is how
many runs there are over all presets together (default: 500).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.deleting import NO_TROUBLE, Lab, Trouble, World
from support.images import make_image, make_index, make_referrer
from support.registry import Fault

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
"""What goes wrong where a tag is taken away by way of a placeholder."""
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
    """Steps over one repository. ``open_world`` gives a new one."""

    open_world: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        place = MEMORY if MEMORY.is_dir() else None
        self._folder = tempfile.TemporaryDirectory(dir=place)
        self.world = self.open_world()
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
        digest = self.lab.facts.tags[self._tag(data)]
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
        facts = self.lab.facts
        digests = sorted({at for at in facts.tags.values() if not facts.is_small(at)})
        targets = st.sampled_from(digests) if digests else st.nothing()
        moves = st.dictionaries(st.sampled_from(tags), targets, max_size=1)
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


def try_deletion(
    open_world: Callable[[], World], *, runs: int, phases: Sequence[Phase] = tuple(Phase)
) -> None:
    """Let the machine run, each time over a world of its own. Raises what does not hold."""
    machine = type("OneWorld", (Deletion,), {"open_world": staticmethod(open_world)})
    how = settings(
        max_examples=max(1, runs),
        stateful_step_count=8,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)
