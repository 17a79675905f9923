"""What passes the one door to writes: how often a delete looks, and what stays as it was."""

from __future__ import annotations

import time

import pytest
from support.applying import APP, bot_in
from support.images import Image, make_image, make_index
from support.registry import DISTRIBUTION_2, GITEA

from regbot.store.placeholder import taking_away

RETAG = 'image.copy(app .. ":new0", app .. ":old0")'
PUT = 'manifest.put(manifest.get(app .. ":new0"), app .. ":old0")'


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=2, new=2)
        yield bot


@pytest.mark.parametrize("script", [RETAG, PUT])
@pytest.mark.parametrize("command", ["once", "plan"])
def test_a_protected_tag_is_not_put_on_something_else(bot, script, command):
    before = bot.registry.tags(APP)
    bot.configure('tag.delete(app .. ":old1")\n' + script, guard={"protect": ["old0"]})
    done = bot.run(command)
    assert done.returncode == 1
    assert f"protect old0 (bot.yml:1): {bot.app}:old0 is protected and stays on" in done.stderr
    assert bot.wrote() == []
    assert bot.registry.tags(APP) == before


def test_a_plan_made_before_a_tag_was_protected_leaves_it(bot):
    before = bot.registry.tags(APP)
    bot.configure(RETAG)
    bot.make_plan()
    bot.configure(RETAG, guard={"protect": ["old*"]})
    done = bot.apply()
    assert done.returncode == 1
    assert "protect old* (bot.yml:1): " in done.stderr
    assert bot.registry.tags(APP) == before


def test_a_protected_tag_may_be_made_and_put_again(bot):
    script = 'image.copy(app .. ":new0", app .. ":kept") image.copy(app .. ":new0", app .. ":kept")'
    bot.configure(script, guard={"protect": ["kept"]})
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert bot.registry.tags(APP)["kept"] == bot.registry.tags(APP)["new0"]


def test_a_copy_that_finds_everything_there_is_unchanged(bot):
    bot.configure('image.copy(app .. ":new0", app .. "-copy:new0")')
    assert bot.run("once").returncode == 0
    (done,) = bot.journalled().values()
    assert [action.verb for action in done] == ["copy image"]
    again = bot.run("once")
    assert again.returncode == 0
    assert "unchanged" in again.stdout + again.stderr
    assert len(bot.journalled()) == 1, "a run that changed nothing is not in the history"
    assert bot.make_plan()["actions"] == []


def test_the_names_of_loopback_are_one_registry(bot):
    """By two names, 1 of 4 tags each is 2 of 4 tags of the same repository."""
    port = bot.registry.host.rpartition(":")[2]
    script = f"""
    tag.delete("127.0.0.1:{port}/{APP}:old0")
    tag.delete("localhost:{port}/{APP}:old1")
    """
    before = bot.registry.tags(APP)
    scripts = {"clean": {"script": script, "guard": {"maxDeletePercent": 40}}}
    bot.configure_all(scripts, [{"registry": f"localhost:{port}", "tls": "disabled"}])
    done = bot.run("once")
    assert done.returncode == 1
    assert "2 of 4 tags" in done.stderr
    assert bot.registry.tags(APP) == before


@pytest.mark.parametrize("change", ['tag.delete("%s:old0")', 'image.copy("%s:new0", "%s:old0")'])
@pytest.mark.parametrize("called", ["app", "other"])
def test_a_tag_is_protected_by_every_name_of_its_registry(bot, change, called):
    """Two names of one ``hostname`` are one registry, and so is the address itself."""
    names = [
        {"registry": name, "hostname": bot.registry.host, "tls": "disabled"}
        for name in ("prod.example", "other.example")
    ]
    repository = {"app": bot.app, "other": f"other.example/{APP}"}[called]
    guard = {"protect": [f"prod.example/{APP}:old0"]}
    script = change.replace("%s", repository)
    before = bot.registry.tags(APP)
    bot.configure_all({"clean": {"script": script, "guard": guard}}, names)
    done = bot.run("once")
    assert done.returncode == 1
    assert (
        f"protect prod.example/{APP}:old0 (bot.yml:1): {repository}:old0 is protected"
        in done.stderr
    )
    assert bot.registry.tags(APP) == before


@pytest.mark.parametrize("pattern", ["ocidir://layout:old0", "layout:old0"])
@pytest.mark.parametrize("spelled", ["./layout", "layout", "./x/../layout"])
def test_a_tag_of_a_layout_is_protected_however_its_folder_is_spelled(bot, pattern, spelled):
    bot.configure('image.copy(app .. ":old0", "ocidir://layout:old0")')
    assert bot.run("once").returncode == 0
    bot.configure(f'tag.delete("ocidir://{spelled}:old0")', guard={"protect": [pattern]})
    done = bot.run("once")
    assert done.returncode == 1
    assert f"protect {pattern} (bot.yml:1): " in done.stderr
    bot.configure('print(#tag.ls("ocidir://layout"))')
    assert bot.run("once").stdout == "1\n"


@pytest.mark.parametrize("command", ["once", "apply"])
def test_a_copy_puts_no_digest_tag_onto_a_protected_one(bot, command):
    image = make_image(labels={"n": "signed"})
    signature = f"sha256-{image.digest.hex}.sig"
    bot.registry.put(APP, "signed", image)
    bot.registry.put(APP, signature, make_image(labels={"n": "one signature"}))
    bot.registry.put("copy", "signed", image)
    bot.registry.put("copy", signature, make_image(labels={"n": "two signatures"}))
    before = bot.registry.tags("copy")
    copy = bot.app.replace(APP, "copy")
    script = f'image.copy(app .. ":signed", "{copy}:signed", {{digestTags = true}})'
    plan = []
    if command == "apply":
        bot.configure(script)
        bot.make_plan()
        plan = ["plan.json"]
    bot.configure(script, guard={"protect": ["copy:*"]})
    done = bot.run(command, *plan)
    assert done.returncode == 1
    assert f"protect copy:* (bot.yml:1): {copy}:{signature} is protected" in done.stderr
    assert bot.registry.tags("copy") == before


def test_tags_that_a_script_makes_itself_don_t_count_as_kept(bot):
    script = """
    for i = 1, 20 do image.copy(app .. ":old0", app .. ":extra" .. i) end
    tag.delete(app .. ":old0")
    tag.delete(app .. ":old1")
    """
    before = bot.registry.tags(APP)
    bot.configure(script, guard={"maxDeletePercent": 20, "keepAtLeast": 3})
    done = bot.run("once")
    assert done.returncode == 1
    assert "2 of 4 tags" in done.stderr
    assert "would keep 2 tags" in done.stderr
    assert bot.registry.tags(APP) == before


def test_two_scripts_at_once_leave_the_last_tag_of_a_child(tmp_path):
    """Gitea deletes a manifest with its last tag, also one that a kept index lists."""
    with bot_in(tmp_path, GITEA, users={"robot": "s3cret"}) as bot:
        child = make_image(labels={"n": "child"})
        for tag in ("a", "b"):
            bot.registry.put(APP, tag, child)
        bot.registry.put(APP, "index", make_index({"linux/amd64": child}))
        bot.registry.break_next("stall", "DELETE", "manifests/(a|b)$", seconds=1.0, times=4)
        scripts = {tag: {"script": f'tag.delete(app .. ":{tag}")'} for tag in ("a", "b")}
        login = {"tls": "disabled", "user": "robot", "pass": "s3cret"}
        bot.configure_all(scripts, [{"registry": bot.registry.host, **login}], parallel=2)
        done = bot.run("once")
        assert "an index that is kept lists it" in done.stderr
        assert set(bot.registry.tags(APP)) in ({"a", "index"}, {"b", "index"})
        assert str(child.digest) in bot.registry.manifests(APP)


def test_two_scripts_at_once_put_one_tag_at_a_time_on_a_placeholder(tmp_path):
    """Distribution 2.8 answers 404 to a delete while another tag of the repository goes."""
    with bot_in(tmp_path, DISTRIBUTION_2) as bot:
        bot.fill(old=2, new=1)
        before = bot.registry.tags(APP)
        on_placeholders = []

        def look():
            time.sleep(0.5)
            moved = set(bot.registry.tags(APP).items()) - set(before.items())
            on_placeholders.append({tag for tag, _ in moved})

        bot.registry.before("DELETE", "/manifests/sha256", look, times=9)
        scripts = {name: {"script": f'tag.delete(app .. ":{name}")'} for name in ("old0", "old1")}
        bot.configure_all(scripts, parallel=2)
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        assert set(bot.registry.tags(APP)) == {"new0"}
        assert set.union(*on_placeholders) == {"old0", "old1"}
        assert max(map(len, on_placeholders)) == 1


def placeholder_of(image):
    """What a delete puts on a tag of this image."""
    made = taking_away(image.manifest)
    return Image(made.manifest, b"", dict(made.blobs))


@pytest.mark.parametrize("other", ["goes on", "is killed"])
def test_a_tag_that_another_run_is_deleting_just_now_is_no_failure(tmp_path, other):
    image = make_image(labels={"n": "deleted by two runs"})
    placeholder = placeholder_of(image)
    with bot_in(tmp_path, DISTRIBUTION_2) as bot:
        bot.registry.put(APP, "v1", image)
        before = bot.registry.tags(APP)
        bot.registry.before(
            "PUT", "/manifests/sha256:", lambda: bot.registry.put(APP, "v1", placeholder)
        )
        if other == "goes on":
            bot.registry.before(
                "DELETE",
                f"/manifests/{placeholder.digest}",
                lambda: bot.registry.content.repository(APP).delete_manifest(
                    str(placeholder.digest), ["v1"]
                ),
            )
        bot.configure('tag.delete(app .. ":v1")')
        done = bot.run("once")
        assert done.returncode == 0, done.stderr
        assert bot.registry.tags(APP) == {}
        assert ("already gone" if other == "goes on" else "was left half deleted") in done.stderr
        if other == "is killed":
            (run,) = bot.journalled()
            assert bot.run("undo", run).returncode == 0
            assert bot.registry.tags(APP) == before


def test_a_tag_goes_alone_from_a_placeholder_that_another_tag_is_on(bot):
    """Somebody tagged what a delete that was broken off had left."""
    image = make_image(labels={"n": "broken off"})
    placeholder = placeholder_of(image)
    bot.registry.put(APP, "v1", image)
    bot.registry.put(APP, "v1", placeholder)
    bot.registry.put(APP, "copied", placeholder)
    bot.configure('tag.delete(app .. ":v1")')
    bot.run("once")
    left = bot.registry.tags(APP)
    assert "v1" not in left
    assert left["copied"] == str(placeholder.digest)
