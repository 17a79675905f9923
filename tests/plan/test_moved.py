"""A tag that somebody moves while a script works: what it leads to is saved, or it stays."""

from __future__ import annotations

import pytest
from support.applying import APP, OLD, bot_in
from support.images import make_image
from support.registry import DISTRIBUTION_3

COPY_THEN_DELETE = """
local backup = app:gsub("team/app", "backup")
local names = tag.ls(app)
for _, name in ipairs(names) do
  if name ~= "moved-to" then image.copy(app .. ":" .. name, backup .. ":" .. name) end
end
for _, name in ipairs(names) do
  if name ~= "moved-to" then tag.delete(app .. ":" .. name) end
end
"""


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        yield bot


@pytest.mark.parametrize("command", ["apply", "once", "guarded"])
def test_a_known_tag_that_moves_onto_a_digest_to_be_deleted(bot, command):
    digests = [bot.registry.put(APP, f"old{n}", make_image(labels={"n": str(n)})) for n in range(4)]
    bot.configure(
        f'manifest.delete(app .. "@{digests[0]}") manifest.delete(app .. "@{digests[1]}")',
        **({"guard": {"maxDeletes": 10}} if command == "guarded" else {}),
    )
    if command == "apply":
        bot.make_plan()
    bot.registry.before(
        "DELETE", f"/manifests/{digests[0]}", lambda: bot.registry.tag(APP, "old3", digests[1])
    )
    done = bot.apply() if command == "apply" else bot.run("once")
    assert done.returncode == 0, done.stderr
    if command == "once":  # what was asked for by its digest goes with its tags, and comes back
        assert "old3" not in bot.registry.tags(APP)
        (run,) = bot.journalled()
        assert bot.run("undo", run).returncode == 0
    else:
        assert "now also tagged: old3" in done.stderr
    assert bot.registry.tags(APP)["old3"] == digests[1]


@pytest.mark.parametrize("readahead", [0, 32])
def test_a_tag_that_moves_between_other_copies_is_copied_as_it_is_then(bot, readahead):
    for number in range(20):
        bot.registry.put_image(APP, f"t{number:02}", created=OLD, labels={"n": str(number)})
    new = bot.registry.put_image(APP, "moved-to")
    bot.registry.before(
        "PUT", "/v2/backup/manifests/t08", lambda: bot.registry.tag(APP, "t12", new)
    )
    bot.configure_all({"clean": {"script": COPY_THEN_DELETE}}, readahead=readahead)
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert bot.registry.tags("backup")["t12"] == new
    assert set(bot.registry.tags(APP)) == {"moved-to"}


@pytest.mark.parametrize("readahead", [0, 32])
@pytest.mark.parametrize(
    "save", ['image.copy(app .. ":t1", backup .. ":t1")', 'image.exportTar(app .. ":t1", "t1.tar")']
)
def test_a_tag_that_moves_after_it_was_saved_is_not_deleted(bot, save, readahead):
    bot.registry.put_image(APP, "t1", created=OLD)
    new = bot.registry.put_image(APP, "moved-to")
    bot.registry.put_image("other", "tag")
    bot.registry.before("HEAD", "/v2/other/manifests/tag", lambda: bot.registry.tag(APP, "t1", new))
    script = f"""
    local backup, other = app:gsub("team/app", "backup"), app:gsub("team/app", "other")
    tag.ls(app)
    {save}
    manifest.head(other .. ":tag")
    tag.delete(app .. ":t1")
    """
    bot.configure_all({"clean": {"script": script}}, readahead=readahead)
    done = bot.run("once")
    assert "moved since the script looked" in done.stderr
    assert bot.registry.tags(APP)["t1"] == new


def test_what_the_script_saw_counts_more_than_what_it_saved(bot):
    bot.registry.put_image(APP, "t1", created=OLD)
    new = bot.registry.put_image(APP, "moved-to")
    bot.registry.put_image("other", "tag")
    bot.registry.before("HEAD", "/v2/other/manifests/tag", lambda: bot.registry.tag(APP, "t1", new))
    bot.configure("""
    local backup, other = app:gsub("team/app", "backup"), app:gsub("team/app", "other")
    assert(image.config(app .. ":t1").Created:match("^2020"))
    manifest.head(other .. ":tag")
    image.copy(app .. ":t1", backup .. ":t1")
    tag.delete(app .. ":t1")
    """)
    done = bot.run("once")
    assert "moved since the script looked" in done.stderr
    assert bot.registry.tags(APP)["t1"] == new
