"""What was seen in use a while ago still counts, as long as the config says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from support.applying import APP, bot_in
from support.databases import connecting
from support.images import make_image

from regbot.errors import StorageError, UseUnknown
from regbot.events import ignore
from regbot.journal.sightings_table import SIGHTINGS, SightingsTable
from regbot.oci.reference import Reference
from regbot.rules.in_use.answers import Answers
from regbot.rules.in_use.mention import Mention
from regbot.rules.in_use.settings import ImageList, InUseSettings
from regbot.rules.in_use.sightings import KEPT_FOR, Sighting, SightingsFile
from regbot.stopping import Stop
from regbot.units import format_moment

DAY = 86400.0
WEEK = 7 * DAY


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def listing(folder, name: str, *lines: str) -> ImageList:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return ImageList(path)


class InDatabase:
    """Opens a database whose clock is that of the test."""

    def __init__(self, connect, clock):
        self._connect = connect
        self._clock = clock

    def __call__(self):
        database = self._connect()
        database.now = f"CAST({self._clock()!r} AS DOUBLE PRECISION)"
        return closing(database)


@pytest.fixture(params=["folder", "file", "server"])
def sightings(request, tmp_path, clock):
    if request.param == "folder":
        return SightingsFile(tmp_path / "state", clock)
    where = tmp_path / "seen.sqlite"
    if request.param == "server":
        where = request.getfixturevalue("database_url")
    return SightingsTable(InDatabase(connecting(where, (SIGHTINGS,)), clock))


@pytest.fixture
def in_folder(tmp_path, clock):
    return SightingsFile(tmp_path / "state", clock)


def used(sightings, *sources: ImageList, window: float | None = WEEK, record: bool = True):
    """Whether a tag of ``app`` is in use, in a run of its own."""
    answers = Answers({}, sightings, ignore, Stop(), record=record)
    in_use = answers.of(InUseSettings(sources, (), window), Stop())
    uses = in_use.uses()
    repository = Reference.parse("reg.example/app").without_name
    return lambda tag: uses.of_tag(tag, [repository])


def test_an_image_counts_for_the_window_after_it_was_seen(sightings, tmp_path, clock):
    source = listing(tmp_path, "a.txt", "reg.example/app:1")
    seen_at = clock.now
    assert used(sightings, source)("1") == f"line 1 of {source.path}"
    listing(tmp_path, "a.txt", "reg.example/app:2")
    clock.now = seen_at + WEEK
    user = used(sightings, source)("1")
    assert user.startswith(f"line 1 of {source.path}, last seen 2027-01-15")
    clock.now = seen_at + WEEK + 1
    assert used(sightings, source)("1") == ""
    assert used(sightings, source, window=2 * WEEK)("1") != ""


def test_an_image_that_is_seen_again_counts_from_then(sightings, tmp_path, clock):
    source = listing(tmp_path, "a.txt", "reg.example/app:1")
    for _ in range(3):
        assert used(sightings, source)("1")
        clock.now += 6 * DAY
    listing(tmp_path, "a.txt")
    assert used(sightings, source)("1")


def test_what_a_source_said_counts_after_it_was_taken_away(sightings, tmp_path, clock):
    first = listing(tmp_path, "a.txt", "reg.example/app:1")
    second = listing(tmp_path, "b.txt", "reg.example/app:2")
    assert used(sightings, first, second)("2")
    clock.now += DAY
    assert used(sightings, first)("2")


def test_without_a_window_only_this_run_counts_and_nothing_is_written(in_folder, tmp_path, clock):
    source = listing(tmp_path, "a.txt", "reg.example/app:1")
    assert used(in_folder, source, window=None)("1")
    assert not (tmp_path / "state").exists()
    listing(tmp_path, "a.txt")
    assert used(in_folder, source, window=None)("1") == ""


def test_a_dry_run_notes_nothing_but_knows_what_was_noted(in_folder, tmp_path, clock):
    source = listing(tmp_path, "a.txt", "reg.example/app:1")
    assert used(in_folder, source, record=False)("1")
    assert not (tmp_path / "state").exists()
    used(in_folder, source)
    listing(tmp_path, "a.txt", "reg.example/app:2")
    assert used(in_folder, source, record=False)("1")
    assert "app:2" not in (tmp_path / "state" / "in-use.json").read_text()


def test_what_was_seen_is_noted_also_where_another_source_can_t_be_read(sightings, tmp_path, clock):
    source = listing(tmp_path, "a.txt", "reg.example/app:1")
    gone = ImageList(tmp_path / "gone.txt")
    for _ in range(2):
        with pytest.raises(UseUnknown, match=r"gone\.txt can't be read"):
            used(sightings, source, gone)
    listing(tmp_path, "a.txt")
    assert used(sightings, source)("1")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nothing",
        "{}",
        '{"seen": []}',
        '{"seen": {"a.txt": {"x:1": 7}}}',
        '{"seen": {"a.txt": {"No Reference": [7, "line 1"]}}}',
    ],
)
def test_a_file_that_is_damaged_stops_every_delete(in_folder, tmp_path, clock, content):
    source = listing(tmp_path, "a.txt", "reg.example/app:1")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "in-use.json").write_text(content)
    for record in (True, False):
        with pytest.raises(UseUnknown, match=r"in-use\.json can't be understood"):
            used(in_folder, source, record=record)
    assert (tmp_path / "state" / "in-use.json").read_text() == content


def test_a_folder_that_can_t_be_made_stops_every_delete(in_folder, tmp_path, clock):
    source = listing(tmp_path, "a.txt", "reg.example/app:1")
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UseUnknown, match="seen in use before"):
        used(in_folder, source)


def test_old_sightings_are_forgotten(sightings, clock):
    sightings.add({"a": [Mention.parse("old:1", "line 1")]}, WEEK)
    clock.now += KEPT_FOR
    sightings.add({"a": [Mention.parse("new:1", "line 1")]}, WEEK)
    assert {seen.image for seen in sightings.all()} == {"old:1", "new:1"}
    clock.now += 1
    sightings.add({}, WEEK)
    assert [seen.image for seen in sightings.all()] == ["new:1"]


def test_runs_at_once_lose_no_sighting(sightings):
    def add(number: int) -> None:
        mentions = {
            "all": [Mention.parse(f"app:{other}", "line 1") for other in range(number)],
            f"source {number}": [Mention.parse(f"app:{number}", "line 1")],
        }
        sightings.add(mentions, WEEK)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(30)))
    seen = {mention.text for mention in sightings.within(WEEK)}
    assert seen == {f"app:{number}" for number in range(30)}


def test_what_is_taken_over_was_seen_when_it_was(sightings, tmp_path, clock):
    old = Sighting("a", "reg.example/app:1", clock.now - DAY, "line 1")
    sightings.take_over([old])
    assert sightings.all() == [old]
    assert [seen.user for seen in sightings.within(2 * DAY)] == [
        f"line 1, last seen {format_moment(round(old.at))}"
    ]
    assert list(sightings.within(DAY / 2)) == []


@pytest.mark.parametrize("image", ["No Reference", ""])
def test_a_row_that_is_no_image_stops_every_delete(tmp_path, clock, image):
    connect = connecting(tmp_path / "seen.sqlite", (SIGHTINGS,))
    with closing(connect()) as database:
        database.run("INSERT INTO sighting VALUES ('a', ?, ?, 'line 1')", (image, clock.now))
    with pytest.raises(UseUnknown, match="nothing is deleted"):
        used(SightingsTable(InDatabase(connect, clock)), listing(tmp_path, "a.txt"))


def test_a_database_that_is_away_stops_every_delete(tmp_path, clock):
    def connect():
        raise StorageError("the database is away")

    with pytest.raises(UseUnknown, match="nothing is deleted: the database is away"):
        used(SightingsTable(connect), listing(tmp_path, "a.txt"))


def test_the_command_notes_and_lists_what_was_seen(tmp_path):
    with bot_in(tmp_path) as bot:
        for tag in ("v1", "v2"):
            bot.registry.put(APP, tag, make_image(labels={"n": tag}))
        (tmp_path / "images.txt").write_text(f"{bot.app}:v1\n")
        in_use = {"file": "images.txt", "seenWithin": "7d"}
        script = 'for _, t in ipairs(tag.ls(app)) do tag.delete(app .. ":" .. t) end'
        bot.configure_all({"clean": {"script": script}}, inUse=in_use)
        assert bot.run("in-use").returncode == 0
        (tmp_path / "images.txt").write_text("nginx\n")
        done = bot.run("in-use")
        (row,) = [line for line in done.stdout.splitlines() if "v1" in line]
        assert row.startswith("seen before")
        assert "last seen" in row
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        assert set(bot.registry.tags(APP)) == {"v1"}
        assert "last seen" in done.stderr
