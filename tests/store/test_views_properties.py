"""Whatever a script does, in whatever order, on whatever registry: views change no answer.

An answer has to be one that the registry would have given at some moment within the last
30 seconds, and since the last write of the run that could change it: deleting a tag changes
that tag alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.images import Image, make_image, make_index
from support.inprocess import Memory
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, Fault, Quirks
from support.viewing import AtOnce, Clock, Run, run_on

from regbot.errors import NotFound, RequestError
from regbot.image.resolve import image_of
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.store.protocol import ReadStore

LIMIT = 100_000
FRESH = 30
TAGS = [Tag(f"v{number}.0{end}") for number in (1, 2, 3, 9, 10, 11) for end in ("", "-rc1")] + [
    Tag("latest"),
    Tag("main"),
]
IMAGES = [make_image(labels={"n": str(number)}) for number in range(6)]
INDEX = make_index({"linux/amd64": IMAGES[0], "linux/arm64": IMAGES[1]})
CONTENTS = [*IMAGES, INDEX]


@dataclass
class World:
    """A registry, what its tags were on and when, and a run that reads it."""

    memory: Memory
    clock: Clock
    run: Run
    history: dict[Tag, list[tuple[float, int, Digest | None]]] = field(default_factory=dict)
    moment: int = 0
    written: int = 0
    deleted: dict[Tag, int] = field(default_factory=dict)
    is_broken: bool = False

    @property
    def view(self) -> ReadStore:
        return self.run.view()

    def put(self, tag: Tag, image: Image) -> None:
        """Somebody else puts a tag on an image."""
        self.memory.registry.put("team/app", tag, image)
        self.note(tag, image.digest)

    def remove(self, tag: Tag) -> None:
        """Somebody else deletes a tag."""
        self.memory.registry.content.repository("team/app").tags.pop(tag, None)
        self.note(tag, None)

    def note(self, tag: Tag, digest: Digest | None) -> None:
        self.moment += 1
        self.history.setdefault(tag, []).append((self.clock.now, self.moment, digest))

    def possible(self, tag: Tag) -> set[Digest | None]:
        """What the tag was on since the last write that matters, in the last 30 seconds."""
        written = max(self.written, self.deleted.get(tag, 0))
        entries = self.history.get(tag, [(0.0, 0, None)])
        found = set()
        for (_, _, digest), following in zip(entries, [*entries[1:], None], strict=True):
            ended, last = following[:2] if following else (float("inf"), self.moment + 1)
            if last > written and ended > self.clock.now - FRESH:
                found.add(digest)
        return found

    def wrote(self, tag: Tag, digest: Digest | None) -> None:
        """The run itself put a tag, or deleted it."""
        self.note(tag, digest)
        if digest is None:
            self.deleted[tag] = self.moment
        else:
            self.written = self.moment

    def told(self, ask: Callable[[], Digest]) -> Digest | None:
        """The digest of an answer; None where nothing is there."""
        try:
            return ask()
        except NotFound:
            return None

    def check(self, tag: Tag, ask: Callable[[], Digest]) -> None:
        try:
            found = self.told(ask)
        except RequestError:
            assert self.is_broken
            return
        assert found in self.possible(tag), (tag, found)


@dataclass(frozen=True)
class Step:
    """A step that hypothesis can print."""

    text: str
    do: Callable[[World], None]

    def __repr__(self) -> str:
        return self.text


def head(world: World, tag: Tag) -> None:
    world.check(tag, lambda: world.view.head(tag).digest)


def manifest(world: World, tag: Tag) -> None:
    def ask() -> Digest:
        found = world.view.manifest(tag)
        (image,) = [image for image in CONTENTS if image.digest == found.digest]
        assert found.raw == image.manifest.raw
        return found.digest

    world.check(tag, ask)


def config(world: World, tag: Tag) -> None:
    def ask() -> Digest:
        found = world.view.manifest(tag)
        image = image_of(world.view, found)
        (content,) = [each for each in IMAGES if each.digest == image.digest]
        assert world.view.config(image, limit=LIMIT).raw == content.config
        return found.digest

    world.check(tag, ask)


def head_and_config(world: World, tag: Tag) -> None:
    head(world, tag)
    config(world, tag)


ASKS = {ask.__name__: ask for ask in (head, manifest, config, head_and_config)}
ORDERS: dict[str, Callable[[list[Tag]], list[Tag]]] = {
    "up": lambda tags: tags,
    "down": lambda tags: tags[::-1],
    "without -rc1": lambda tags: [tag for tag in tags if not tag.endswith("-rc1")],
    "every other": lambda tags: tags[::2],
}


def walk(order: str, ask: str, count: int) -> Step:
    def do(world: World) -> None:
        try:
            tags = ORDERS[order](world.view.tags())[:count]
        except RequestError:
            assert world.is_broken
            return
        for tag in tags:
            ASKS[ask](world, tag)

    return Step(f"walk {order}, {ask}, {count} tags", do)


def once(ask: str, tag: Tag) -> Step:
    return Step(f"{ask} {tag}", lambda world: ASKS[ask](world, tag))


def put_elsewhere(tag: Tag, number: int) -> Step:
    return Step(f"others: {tag} on #{number}", lambda world: world.put(tag, CONTENTS[number]))


def remove_elsewhere(tag: Tag) -> Step:
    return Step(f"others: remove {tag}", lambda world: world.remove(tag))


def pass_time(seconds: int) -> Step:
    def do(world: World) -> None:
        world.clock.now += seconds

    return Step(f"{seconds} s pass", do)


def put(tag: Tag, number: int) -> Step:
    def do(world: World) -> None:
        image = CONTENTS[number]
        if world.is_broken or any(child.digest not in _there(world) for child in image.children):
            return
        world.run.store().put_manifest(tag, image.manifest)
        world.wrote(tag, image.digest)

    return Step(f"put {tag} on #{number}", do)


def delete(tag: Tag) -> Step:
    def do(world: World) -> None:
        at = world.memory.registry.tags("team/app").get(tag)
        if at and not world.is_broken:
            world.run.store().delete_tag(tag, Digest.parse(at))
            world.wrote(tag, None)

    return Step(f"delete {tag}", do)


def _there(world: World) -> set[Digest]:
    return {Digest.parse(text) for text in world.memory.registry.manifests("team/app")}


def break_some(status: int, after: int, times: int) -> Step:
    def do(world: World) -> None:
        world.is_broken = True
        fault = Fault("status", path="/team/app/", status=status, after=after, times=times)
        world.memory.registry.faults.plan(fault)

    return Step(f"break {times} after {after}: {status}", do)


tags = st.sampled_from(TAGS)
numbers = st.integers(0, len(CONTENTS) - 1)
asks = st.sampled_from(sorted(ASKS))
steps = st.one_of(
    st.builds(walk, st.sampled_from(sorted(ORDERS)), asks, st.integers(1, len(TAGS))),
    st.builds(once, asks, tags),
    st.builds(put_elsewhere, tags, numbers),
    st.builds(remove_elsewhere, tags),
    st.builds(pass_time, st.sampled_from((1, 15, 31))),
    st.builds(put, tags, numbers),
    st.builds(delete, tags),
)
faults = st.builds(break_some, st.sampled_from((500, 503)), st.integers(0, 20), st.integers(1, 5))

REGISTRIES = {
    "distribution 3": DISTRIBUTION_3,
    "distribution 2": DISTRIBUTION_2,
    "referrers API": Quirks(page_size=3),
    "counted": Quirks(rate_limit=1_000_000),
}


def play(quirks: Quirks, before: list[Step], readahead: int, played: list[Step]) -> None:
    memory, clock = Memory(quirks, rate_limit=quirks.rate_limit), Clock()
    with TemporaryDirectory() as folder:
        for steps_of_run in (before, played):  # the second run finds what the first has kept
            run = run_on(
                memory.name,
                memory.bind,
                readahead=readahead,
                cache=Path(folder) / "cache",
                clock=clock,
                background=AtOnce,
            )
            memory.registry.faults.clear()
            with run as opened:
                world = World(memory, clock, opened)
                for number, tag in enumerate(TAGS):
                    world.put(tag, CONTENTS[number % len(CONTENTS)])
                for step in steps_of_run:
                    step.do(world)


@pytest.mark.parametrize("registry", sorted(REGISTRIES))
@settings(max_examples=50)
@given(
    st.lists(steps, max_size=3),
    st.sampled_from((0, 1, 4, 32)),
    st.lists(st.one_of(steps, faults), max_size=12),
)
def test_every_answer_is_the_registry_s_own(
    registry: str, before: list[Step], readahead: int, played: list[Step]
) -> None:
    play(REGISTRIES[registry], before, readahead, played)
