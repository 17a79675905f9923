"""The cache's folder: its size, many at work in it, and what it leaves alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from support.applying import bot_in

from regbot.events import Emit, Event, Message, ignore
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.store.cache_folder import CacheFolder

PLACE = Reference.parse("registry.example/team/app")


class TestFolder:
    def test_that_it_cannot_be_written_is_said_once(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        said: list[Event] = []
        cache = CacheFolder(tmp_path / "file", 1024, said.append)
        for number in range(3):
            keep(cache, number)
        (message,) = said
        assert isinstance(message, Message)
        assert "can't be written" in message.text

    def test_it_does_not_grow_beyond_its_size(self, tmp_path: Path) -> None:
        cache = CacheFolder(tmp_path, 40 * 4096)
        for number in range(300):
            keep(cache, number)
            assert taken(tmp_path) <= 40
        assert taken(tmp_path) >= 30

    def test_what_was_used_least_recently_goes_first(self, tmp_path: Path) -> None:
        cache = CacheFolder(tmp_path, 40 * 4096)
        first = keep(cache, 0)
        for number in range(1, 300):
            digest = keep(cache, number)
            path = cache.shelf(PLACE).path(digest)
            os.utime(path, ns=(number, number))
            assert cache.shelf(PLACE).read(first, len(content_number(0))) == content_number(0)
        kept = [n for n in range(300) if cache.shelf(PLACE).has(Digest.of(content_number(n)))]
        assert kept == [0, *range(300 - len(kept) + 1, 300)]

    def test_looking_through_many_files_takes_no_memory_for_each(self, tmp_path: Path) -> None:
        files = 2000
        cache = CacheFolder(tmp_path, 8 * files * 4096)
        for number in range(files - 1):
            keep(cache, number)
        tracemalloc.start()
        try:
            for number in range(files - 1, files + 2):
                keep(cache, number)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (cache._folder / ".written").stat().st_size < files
        assert peak < 100 * files

    def test_half_written_files_go_in_the_end(self, tmp_path: Path) -> None:
        cache = CacheFolder(tmp_path, 40 * 4096)
        folder = Path(cache.shelf(PLACE).path(keep(cache, 0))).parent
        old, new = f".regbot-{'0' * 16}", f".regbot-{'1' * 16}"
        for name, age in ((old, 7200), (new, 60)):
            path = folder / name
            path.write_bytes(b"half")
            now = path.stat().st_mtime
            os.utime(path, (now - age, now - age))
        for number in range(1, 50):
            keep(cache, number)
        assert [path.name for path in folder.glob(".regbot-*")] == [new]

    def test_many_threads_and_folders_at_once(self, tmp_path: Path) -> None:
        def work(worker: int) -> None:
            cache = CacheFolder(tmp_path, 20 * 4096)
            for number in range(worker, 200):
                digest = keep(cache, number)
                content = cache.shelf(PLACE).read(digest, len(content_number(number)))
                assert content in (None, content_number(number))
            cache.close()

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        assert taken(tmp_path) <= 20 + 8

    def test_processes_that_are_killed_leave_nothing_wrong(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", _WRITER, str(tmp_path)]
        writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        cache = CacheFolder(tmp_path, 64 * 4096)
        found = 0
        for number in range(2000):
            expected = content_number(number)
            content = cache.shelf(PLACE).read(Digest.of(expected), len(expected))
            assert content in (None, content_number(number))
            found += content is not None
        assert found > 0
        for number in range(3000, 3010):
            digest = keep(cache, number)
            assert cache.shelf(PLACE).read(digest, 400) == content_number(number)
        assert taken(tmp_path) <= 64


class TestWhatIsTheUsers:
    """A folder that holds something else may be named: that is neither written nor removed."""

    def test_files_beside_the_cache_stay(self, tmp_path: Path) -> None:
        letter = b"dear registry"
        digest = Digest.of(letter)
        names = ["thesis.txt", "a/b/c/thesis.txt", f"a/b/{digest.algorithm}/{digest.hex}"]
        for name in names:
            write_old(tmp_path / name, letter)
        fill(tmp_path)
        assert [(tmp_path / name).read_bytes() for name in names] == [letter] * 3

    def test_files_in_the_cache_stay_if_they_are_not_named_as_content_is(
        self, tmp_path: Path
    ) -> None:
        hexes = Digest.of(b"").hex
        names = [
            "thesis.txt",
            f"sha256/{hexes}",
            f"registry/sha256/{hexes}",
            f"registry/app/{hexes}",
            f"registry/app/md5/{hexes}",
            f"registry/app/sha512/{hexes}",
            f"registry/app/sha256/{hexes}.txt",
            f"registry/app/sha256/{hexes[:-1]}",
            f"registry/app/sha256/{hexes.upper()}",
            "registry/app/sha256/.regbot-thesis",
            f"registry/app/.regbot-{'0' * 16}",
        ]
        place = tmp_path / "regbot-cache"
        content = place / "registry/app/sha256" / hexes
        for path in (content, *(place / name for name in names)):
            write_old(path, b"mine")
        for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
            folder.chmod(0o700)
        fill(tmp_path)
        assert not content.exists()
        assert [name for name in names if not (place / name).exists()] == []

    def test_the_journal_stays(self, tmp_path: Path) -> None:
        with bot_in(tmp_path) as bot:
            bot.fill(old=20, new=10)
            bot.configure('tag.delete(app .. ":old0")')
            assert bot.run("once").returncode == 0
            before = {path for path in bot.state.rglob("*") if path.is_file()}
            for path in before:
                os.utime(path, (1, 1))
            bot.configure_all({"clean": {"script": SCAN}}, cache={"dir": "state", "size": "64KiB"})
            assert bot.run("once").returncode == 0
            assert before
            assert {path for path in before if not path.exists()} == set()
            assert bot.run("history").returncode == 0


class TestOthers:
    """What another user made, or could have changed, is not used."""

    def test_another_users_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[Event] = []
        digest = keep(CacheFolder(tmp_path, 1024 * 1024), 0)
        monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
        cache = CacheFolder(tmp_path, 1024 * 1024, said.append)
        for _ in range(2):
            assert cache.shelf(PLACE).read(digest, 1000) is None
            assert not cache.shelf(PLACE).has(digest)
            assert not cache.shelf(PLACE).is_filled
            keep(cache, 1)
        (message,) = said
        assert isinstance(message, Message)
        assert message.text.startswith("the cache is not used: ")
        assert message.text.endswith(": it belongs to another user")

    def test_a_folder_that_is_a_symlink(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (tmp_path / "regbot-cache").symlink_to(tmp_path / "elsewhere")
        keep(CacheFolder(tmp_path, 1024 * 1024), 0)
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_a_symlink_in_place_of_the_count_of_blocks(self, tmp_path: Path) -> None:
        said: list[Event] = []
        keys = tmp_path / "keys"
        keys.write_text("my keys\n" * 1000)
        place = tmp_path / "regbot-cache"
        place.mkdir(mode=0o700)
        (place / ".written").symlink_to(keys)
        fill(tmp_path, said.append)
        assert keys.read_text() == "my keys\n" * 1000
        assert len(said) == 1

    def test_a_pipe_in_place_of_the_count_of_blocks(self, tmp_path: Path) -> None:
        with bot_in(tmp_path) as bot:
            bot.fill(old=2, new=2)
            place = tmp_path / "kept" / "regbot-cache"
            place.mkdir(mode=0o700, parents=True)
            os.mkfifo(place / ".written")
            pipe = os.open(place / ".written", os.O_RDWR | os.O_NONBLOCK)
            with suppress(BlockingIOError):
                while True:
                    os.write(pipe, b"." * 4096)
            bot.configure_all({"clean": {"script": SCAN}}, cache={"dir": "kept"})
            run = bot.start_logged("once")
            try:
                assert run.wait(60) == 0
            finally:
                run.kill()
                run.wait()
                os.close(pipe)
            assert (tmp_path / "stderr").read_text().count("not a regular file") == 1


SCAN = 'for _, name in ipairs(tag.ls(app)) do image.config(app .. ":" .. name) end'

_WRITER = """
import itertools, sys
from pathlib import Path
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.store.cache_folder import CacheFolder
place = Reference.parse("registry.example/team/app")
shelf = CacheFolder(Path(sys.argv[1]), 64 * 4096).shelf(place)
for turn in itertools.count():
    content = b"%d" % (turn % 2000) * 100
    shelf.keep(Digest.of(content), content)
    if turn == 100:
        print("going on", flush=True)
"""


def content_number(number: int) -> bytes:
    return b"%d" % number * 100


def keep(cache: CacheFolder, number: int) -> Digest:
    content = content_number(number)
    digest = Digest.of(content)
    cache.shelf(PLACE).keep(digest, content)
    return digest


def fill(folder: Path, emit: Emit = ignore) -> None:
    """Keep so much that the cache is trimmed."""
    cache = CacheFolder(folder, 20 * 4096, emit)
    for number in range(60):
        keep(cache, number)
    cache.close()


def write_old(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1, 1))


def taken(folder: Path) -> int:
    """Blocks of 4096 bytes that the entries take."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    return len(paths)


def test_a_folder_that_was_swapped_for_a_link_is_not_used(tmp_path: Path) -> None:
    """Also right after it was found to be private."""
    told: list[Event] = []
    cache = CacheFolder(tmp_path, 1_000_000, told.append)
    digest = keep(cache, 0)
    shelf = cache.shelf(PLACE)
    folder = Path(shelf.path(digest)).parent.parent
    folder.rename(tmp_path / "moved")
    other = tmp_path / "other"
    (other / "sha256").mkdir(parents=True, mode=0o700)
    folder.symlink_to(other)
    missing = Digest.of(b"what is expected")
    (other / "sha256" / missing.hex).write_bytes(b"something else")
    assert shelf.read(missing, 16) is None
    shelf.keep(Digest.of(b"new"), b"new")
    assert [path.name for path in (other / "sha256").iterdir()] == [missing.hex]
    assert len(told) == 1
