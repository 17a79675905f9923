"""The more is known to be in use, the less is deleted, and nothing that is needed goes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from support.images import make_image, make_index
from support.inprocess import Memory, one_thread
from support.registry import DISTRIBUTION_3

from regbot.errors import RegbotError
from regbot.events import ignore
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.executor import Terms
from regbot.plan.outcome import Outcomes
from regbot.plan.session import open_session
from regbot.rules.in_use.answers import Answers
from regbot.rules.in_use.settings import ImageList, InUseSettings
from regbot.rules.in_use.sightings import SightingsFile
from regbot.stopping import Stop

IMAGES = [make_image(labels={"n": str(number)}) for number in range(4)]
INDEXES = [
    make_index({"linux/amd64": IMAGES[0], "linux/arm64": IMAGES[1]}),
    make_index({"linux/amd64": IMAGES[1], "linux/arm64": IMAGES[2]}),
]
ALL = [*IMAGES, *INDEXES]
TAGS = ("a", "b", "c", "d")
CONTENTS = st.dictionaries(st.sampled_from(TAGS), st.integers(0, len(ALL) - 1), min_size=1)
HOW = ("tag", "digest", "elsewhere", "alone", "config")
LINES = st.lists(
    st.tuples(st.sampled_from(HOW), st.sampled_from(TAGS), st.integers(0, len(ALL) - 1)),
    max_size=3,
)
WEEK = 7 * 86400.0


def line_of(place: str, how: str, tag: str, number: int) -> str:
    image = ALL[number]
    config = IMAGES[number % len(IMAGES)].manifest.config.digest
    return {
        "tag": f"{place}:{tag}",
        "digest": f"{place}@{image.digest}",
        "elsewhere": f"mirror.example/x@{image.digest}",
        "alone": str(image.digest),
        "config": config.hex,
    }[how]


class World:
    """A registry of its own for each run, and two sources."""

    def __init__(self, folder: Path, tags: dict[str, int]) -> None:
        self.folder = folder
        self.tags = tags
        self.now = 1_800_000_000.0

    def sources(self, *sources: list[tuple[str, str, int]]) -> None:
        for number, lines in enumerate(sources):
            texts = [line_of("reg.example/team/app", *line) for line in lines]
            (self.folder / f"{number}.txt").write_text("".join(f"{text}\n" for text in texts))

    def left(self, *numbers: int, window: float | None = None, dry: bool = False) -> set[str]:
        """Tags and manifests that are left once a script has tried to delete all there are."""
        memory = Memory(DISTRIBUTION_3)
        memory.name = "reg.example"
        place = Reference("registry", memory.name, memory.repository)
        for number, image in enumerate(ALL):
            memory.fill(f"fill{number}", image)
        for tag, number in self.tags.items():
            memory.fill(tag, ALL[number])
        content = memory.registry.content.repository(memory.repository)
        for number in range(len(ALL)):
            content.delete_tag(f"fill{number}")
        facts = memory.facts()
        stop, outcomes = Stop(), Outcomes()
        sightings = SightingsFile(self.folder / "state", lambda: self.now)
        answers = Answers({}, sightings, ignore, stop, record=True)
        files = tuple(ImageList(self.folder / f"{number}.txt") for number in numbers)
        terms = Terms(dry, in_use=answers.of(InUseSettings(files, (), window), stop))
        with open_session(
            "clean", memory.bind, stop=stop, emit=ignore, outcomes=outcomes, terms=terms
        ) as session:
            actions = [DeleteTag(place.with_tag(Tag(tag))) for tag in facts.tags]
            manifests = [Digest.parse(digest) for digest in facts.manifests]
            actions += [DeleteManifest(place.with_digest(digest), digest) for digest in manifests]
            for action in actions:
                with suppress(RegbotError):
                    session.executor.execute(action)
        gone = {
            str(outcome.action.digest if isinstance(outcome.action, DeleteManifest) else tag)
            for outcome in outcomes.all
            for tag in [outcome.action.reference.tag]
            if outcome.status == "planned"
        }
        after = memory.facts()
        return ({*after.tags, *map(str, after.manifests)}) - gone


def test_what_nothing_uses_goes(tmp_path):
    with one_thread():
        world = World(tmp_path, {"a": 0, "b": 4})
        world.sources([], [("tag", "a", 0)])
        assert world.left() == world.left(0) == set()
        assert world.left(1) == {"a", str(ALL[0].digest)}


@settings(max_examples=100, deadline=None)
@given(CONTENTS, LINES, LINES, st.floats(0, WEEK))
def test_more_in_use_never_deletes_more(tags, first, second, later):
    with TemporaryDirectory() as folder, one_thread():
        world = World(Path(folder), tags)
        world.sources(first, second)
        alone, both = world.left(0), world.left(0, 1, window=WEEK)
        assert alone <= both
        world.now += later
        assert world.left(0, window=WEEK) == both, "a source was taken away within the window"
        (world.folder / "1.txt").unlink()
        assert world.left(0, 1) == world.left(0, 1, window=WEEK) >= both


@settings(max_examples=200, deadline=None)
@given(CONTENTS, LINES)
def test_whatever_is_in_use_stays_whole(tags, lines):
    with TemporaryDirectory() as folder, one_thread():
        world = World(Path(folder), tags)
        world.sources(lines)
        left = world.left(0)
        for how, tag, number in lines:
            image = IMAGES[number % len(IMAGES)] if how == "config" else ALL[number]
            if how == "tag":
                if tag not in tags:
                    continue
                assert tag in left
                image = ALL[tags[tag]]
            assert str(image.digest) in left
            if how in ("tag", "digest") and image in INDEXES:
                children = image.manifest.manifests
                assert {str(child.digest) for child in children} <= left


@settings(max_examples=100, deadline=None)
@given(CONTENTS, LINES)
def test_a_dry_run_keeps_what_a_live_run_keeps(tags, lines):
    with TemporaryDirectory() as folder, one_thread():
        world = World(Path(folder), tags)
        world.sources(lines)
        assert world.left(0, dry=True) == world.left(0)
