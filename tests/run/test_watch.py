"""Whether the files of a config have changed."""

from __future__ import annotations

import os
from pathlib import Path

from regbot.run.watch import FileWatch, trace_of

A, B = Path("a"), Path("b")


class Disk:
    """What is said of files, by their names."""

    def __init__(self, **versions):
        self.versions = versions

    def __call__(self, path):
        return (self.versions[path.name],) if path.name in self.versions else ()


def test_a_change_counts_when_it_has_lasted_from_one_look_to_the_next():
    disk = Disk(a=1, b=1)
    watch = FileWatch([A, B], disk)
    assert not watch.look()
    disk.versions["b"] = 2
    assert not watch.look()
    disk.versions["b"] = 3
    assert not watch.look()
    assert watch.look()
    assert not watch.look()


def test_a_file_that_goes_and_comes_back_has_changed_twice():
    disk = Disk(a=1)
    watch = FileWatch([A], disk)
    del disk.versions["a"]
    assert [watch.look() for _ in range(3)] == [False, True, False]
    disk.versions["a"] = 2
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_a_file_that_changes_back_has_not_changed():
    disk = Disk(a=1)
    watch = FileWatch([A], disk)
    disk.versions["a"] = 2
    assert not watch.look()
    disk.versions["a"] = 1
    assert [watch.look() for _ in range(3)] == [False, False, False]


def test_what_changed_while_it_was_read_is_read_again():
    disk = Disk(a=1, b=1)
    watch = FileWatch([A], disk)
    disk.versions["a"] = 2
    assert [watch.look(), watch.look()] == [False, True]
    disk.versions["a"] = 3
    watch.follow([A, B])
    assert [watch.look(), watch.look()] == [False, True]
    disk.versions["b"] = 2
    assert [watch.look(), watch.look()] == [False, True]
    watch.follow([A])
    disk.versions["b"] = 3
    assert [watch.look(), watch.look()] == [False, False]


def test_what_was_read_for_another_reason_has_not_changed():
    disk = Disk(a=1)
    watch = FileWatch([A], disk)
    disk.versions["a"] = 2
    watch.read_now()
    assert [watch.look(), watch.look()] == [False, False]
    disk.versions["a"] = 3
    assert [watch.look(), watch.look()] == [False, True]


def test_a_file_that_is_written_replaced_or_behind_another_link_looks_different(tmp_path):
    first, second, link = tmp_path / "1", tmp_path / "2", tmp_path / "link"
    first.write_text("a")
    second.write_text("a")
    os.utime(second, ns=(first.stat().st_atime_ns, first.stat().st_mtime_ns))
    link.symlink_to(first)
    traces = [trace_of(link)]
    link.unlink()
    link.symlink_to(second)
    traces.append(trace_of(link))
    second.write_text("ab")
    traces.append(trace_of(link))
    second.unlink()
    traces.append(trace_of(link))
    assert len(set(traces)) == 4
    assert trace_of(tmp_path / "no\0name") == ()
