"""A layout folder's clean-up spares what the journal may need, as long as it is kept."""

import json
import os
import re
import time

from support.command import regbot
from support.images import make_image, push

from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore


def aged(folder):
    """Content that no clean-up spares for its age."""
    long_ago = time.time() - 7200
    for path in (folder / "blobs").rglob("*"):
        os.utime(path, (long_ago, long_ago))


def test_undo_works_after_the_clean_up(tmp_path):
    folder = tmp_path / "layout"
    store = OciDirStore(Reference.parse(f"ocidir://{folder}"))
    push(store, make_image(labels={"v": "1"}), "old")
    push(store, make_image(labels={"v": "2"}), "new")
    aged(folder)
    before = {tag: str(store.head(tag).digest) for tag in store.tags()}
    blobs = {path.name for path in (folder / "blobs").rglob("*") if path.is_file()}

    config = tmp_path / "bot.yml"
    config.write_text(json.dumps({"defaults": {"state": "state", "journalKeep": "30d"}}))
    text = f"tag.delete('ocidir://{folder}:old')"
    done = regbot("run", "-e", text, "-c", str(config), home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = re.search(r"run=(\S+)", done.stderr)[1]
    assert {path.name for path in (folder / "blobs").rglob("*") if path.is_file()} == blobs
    assert OciDirStore(store.repository).tags() == ["new"]

    undone = regbot("undo", run, "-c", str(config), home=tmp_path, cwd=tmp_path)
    assert undone.returncode == 0, undone.stderr
    assert "restored" in undone.stdout
    again = OciDirStore(store.repository)
    assert {tag: str(again.head(tag).digest) for tag in again.tags()} == before


def test_without_the_journal_the_space_comes_back(tmp_path):
    folder = tmp_path / "layout"
    store = OciDirStore(Reference.parse(f"ocidir://{folder}"))
    push(store, make_image(labels={"v": "1"}), "old")
    push(store, make_image(labels={"v": "2"}), "new")
    config = tmp_path / "bot.yml"
    config.write_text(json.dumps({"defaults": {"state": "state", "journalKeep": "1ms"}}))
    for tag in ("old", "new"):
        aged(folder)
        text = f"tag.delete('ocidir://{folder}:{tag}')"
        assert (
            regbot("run", "-e", text, "-c", str(config), home=tmp_path, cwd=tmp_path).returncode
            == 0
        )
    kept = OciDirStore(store.repository)
    assert kept.tags() == []
    contents = [path.read_bytes() for path in (folder / "blobs").rglob("*") if path.is_file()]
    assert not any(b'"v": "1"' in content for content in contents)


def test_a_config_that_keeps_less_takes_no_undo_from_another(tmp_path):
    folder = tmp_path / "layout"
    store = OciDirStore(Reference.parse(f"ocidir://{folder}"))
    runs = []
    for tag, keep in (("old", "30d"), ("new", "1ms")):
        push(store, make_image(labels={"v": tag}), tag)
        config = tmp_path / f"{keep}.yml"
        config.write_text(json.dumps({"defaults": {"state": "state", "journalKeep": keep}}))
        text = f"tag.delete('ocidir://{folder}:{tag}')"
        done = regbot("run", "-e", text, "-c", str(config), home=tmp_path, cwd=tmp_path)
        runs.append(re.search(r"run=(\S+)", done.stderr)[1])
    for run in runs:
        undone = regbot("undo", run, "-c", str(config), home=tmp_path, cwd=tmp_path)
        assert undone.returncode == 0, undone.stderr
    assert sorted(OciDirStore(store.repository).tags()) == ["new", "old"]
