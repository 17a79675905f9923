"""Deletes of digests and of indexes, as a user runs them: what goes, what stays, what is said."""

import json

import pytest
from support.applying import APP, bot_in, index_of
from support.registry import DISTRIBUTION_3


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        yield bot


def failed_line(done):
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    return line


def test_a_manifest_is_deleted_with_its_tags_and_they_are_named(bot):
    bot.registry.tag(APP, "same", bot.registry.tags(APP)["old0"])
    bot.configure('manifest.getList(app .. ":old0"):delete()')
    done = bot.run("once", "--report", "out.json")
    assert done.returncode == 0
    assert 'tags="old0, same"' in done.stderr
    assert {"old0", "same"}.isdisjoint(bot.registry.tags(APP))
    (row,) = json.loads((bot.folder / "out.json").read_text())["rows"]
    assert "old0, same" in row["detail"]
    (run,) = bot.journalled()
    assert bot.run("undo", run, "--tag", "same").returncode == 0
    assert "same" in bot.registry.tags(APP)
    assert "old0" not in bot.registry.tags(APP)


def test_unless_tagged_refuses(bot):
    bot.configure('manifest.getList(app .. ":old0"):delete({unlessTagged = true})')
    line = failed_line(bot.run("once"))
    assert "is still tagged: old0" in line
    assert bot.wrote() == []


def test_a_digest_that_got_another_tag_is_left(bot):
    bot.configure('manifest.getList(app .. ":old0"):delete()')
    digest = bot.registry.tags(APP)["old0"]
    bot.registry.tag(APP, "same", digest)
    (entry,) = bot.make_plan()["actions"]
    assert entry["tags"] == ["old0", "same"]
    bot.registry.tag(APP, "release", digest)
    done = bot.apply()
    assert done.returncode == 0
    assert "now also tagged: release" in done.stderr
    assert bot.wrote() == []


DELETE_MULTI = 'image.delete(app .. ":multi", {children = true, referrers = true})'


def fill_with_indexes(bot):
    """Two indexes with a child in common, each index and child signed; the digests to keep."""
    shared = index_of("linux/amd64")
    own = index_of("linux/arm64")
    kept = {bot.registry.put_index(APP, "kept", shared)}
    multi = bot.registry.put_index(APP, "multi", {**shared, **own})
    shared_digest, own_digest = (
        str(each["linux/" + arch].digest) for each, arch in ((shared, "amd64"), (own, "arm64"))
    )
    kept |= {
        shared_digest,
        *(bot.registry.put_artifact(APP, one) for one in (*kept, shared_digest)),
    }
    gone = {multi, own_digest}
    gone |= {
        bot.registry.put_artifact(APP, one, content=one.encode()) for one in (multi, own_digest)
    }
    return kept, gone


def assert_sound(bot):
    """No tag and no index leads to something that is not there."""
    manifests = bot.registry.manifests(APP)
    for digest in bot.registry.tags(APP).values():
        assert digest in manifests
        for child in json.loads(manifests[digest]).get("manifests", []):
            assert child["digest"] in manifests


def test_an_index_goes_with_what_only_it_needed(tmp_path):
    with bot_in(tmp_path) as bot:
        kept, gone = fill_with_indexes(bot)
        bot.configure(DELETE_MULTI)
        assert bot.run("once").returncode == 0
        assert set(bot.registry.tags(APP)) == {"kept"}
        assert kept <= set(bot.registry.manifests(APP))
        assert gone.isdisjoint(bot.registry.manifests(APP))
        (run,) = bot.journalled()
        assert bot.run("undo", run).returncode == 0
        assert kept | gone <= set(bot.registry.manifests(APP))
        assert set(bot.registry.tags(APP)) == {"kept", "multi"}


@pytest.mark.parametrize("step", range(5))
def test_whatever_breaks_it_off_what_is_left_is_sound(tmp_path, step):
    with bot_in(tmp_path) as bot:
        kept, gone = fill_with_indexes(bot)
        bot.configure(DELETE_MULTI)
        deny = {"status": 403, "code": "DENIED"}
        bot.registry.break_next("status", "DELETE", "", after=step, times=100, **deny)
        failed_line(bot.run("once"))
        assert len(gone & set(bot.registry.manifests(APP))) == len(gone) - max(0, step - 1)
        assert kept <= set(bot.registry.manifests(APP))
        assert_sound(bot)
