"""The order of deletes in a plan: what goes at once, and what waits for what."""

from __future__ import annotations

import json

import pytest
from support.applying import APP, bot_in
from support.images import make_image
from support.registry import DISTRIBUTION_3

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.order import Order

HERE = Reference("registry", "example.org", "app")
THERE = Reference("registry", "example.org", "other")


def digest(name):
    return Digest.of(name.encode())


def tag(name, removal="", repository=HERE):
    return DeleteTag(repository.with_tag(Tag(name)), removal=removal)


def manifest(name, removal, repository=HERE):
    return DeleteManifest(repository.with_digest(digest(name)), digest(name), removal=removal)


def stages(*actions, unreadable=(), one_by_one=False, **links):
    """The stages of deletes; ``links`` are the names that a manifest lists or refers to."""
    known = {digest(name): [digest(link) for link in names] for name, names in links.items()}
    hidden = {digest(name) for name in unreadable}

    def links_of(reference):
        return None if reference.digest in hidden else known.get(reference.digest, ())

    order = Order(lambda reference: reference.without_name, links_of, lambda _: one_by_one)
    return [order.stage_of(action) for action in actions]


def test_removals_go_at_once_each_in_its_order():
    assert stages(*(tag("a", "A"), manifest("a", "A"), tag("b", "B"), manifest("b", "B"))) == [
        0,
        1,
        0,
        1,
    ]


def test_tags_go_before_all_manifests_of_their_repository():
    assert stages(tag("a", "A"), tag("a2", "A"), tag("b", "B"), manifest("b", "B")) == [0, 1, 0, 2]
    assert stages(tag("a", "A"), tag("a2", "A"), manifest("b", "B", THERE)) == [0, 1, 0]


def test_a_child_goes_after_every_index_that_lists_it():
    actions = [manifest("top", "A"), manifest("middle", "A"), manifest("b", "B")]
    actions.append(manifest("child", "B"))
    assert stages(*actions, top=["middle"], middle=["child"]) == [0, 1, 0, 2]


def test_a_referrer_goes_after_its_subject():
    assert stages(manifest("a", "A"), manifest("signature", "B"), signature=["a"]) == [0, 1]


def test_what_a_plan_deletes_first_goes_first():
    assert stages(manifest("child", "A"), manifest("a", "B"), a=["child"]) == [0, 1]


def test_nothing_passes_a_manifest_that_can_not_be_read():
    actions = [manifest("a", "A"), manifest("b", "B"), manifest("c", "C"), tag("d", "D")]
    assert stages(*actions, unreadable=["b"]) == [0, 1, 2, 2]


def test_where_a_last_tag_takes_its_manifest_removals_do_not_mix():
    actions = [tag("a", "A"), manifest("a", "A"), tag("b", "B"), tag("free")]
    assert stages(*actions, one_by_one=True) == [0, 1, 2, 0]


CHILD = make_image(platform="linux/amd64")


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        yield bot


def deleted(bot):
    """The names that were deleted, in the order in which the requests came."""
    return [entry.path.rpartition("/")[2] for entry in bot.registry.asked("DELETE")]


def listed_by(index):
    """The digests that an index lists."""
    return {entry["digest"] for entry in json.loads(index)["manifests"]}


@pytest.mark.parametrize("guarded", [False, True])
def test_many_removals_keep_the_order(bot, guarded):
    """30 of 100 tags; all are indexes that share a child, which goes last."""
    for number in range(30):
        own = make_image(platform="linux/arm64", labels={"n": str(number)})
        bot.registry.put_index(APP, f"old{number}", {"linux/amd64": CHILD, "linux/arm64": own})
    for number in range(70):
        bot.registry.put_image(APP, f"new{number}", labels={"n": str(number)})
    roots = {name: at for name, at in bot.registry.tags(APP).items() if name.startswith("old")}
    children = {
        name: {
            entry["digest"] for entry in json.loads(bot.registry.manifests(APP)[at])["manifests"]
        }
        for name, at in roots.items()
    }
    script = """
    for number = 0, 29 do image.delete(app .. ":old" .. number, {children = true}) end
    """
    bot.configure(script, **({"guard": {"maxDeletes": 1000}} if guarded else {}))
    bot.make_plan()
    bot.registry.forget()
    done = bot.apply()
    assert done.returncode == 0, done.stderr
    order = deleted(bot)
    last_parent = max(order.index(at) for at in roots.values())
    for name, at in roots.items():
        assert order.index(name) < order.index(at)
        assert all(order.index(at) < order.index(child) for child in children[name])
    assert order.index(str(CHILD.digest)) > last_parent
    assert len(bot.registry.manifests(APP)) == 70
    heads = [entry for entry in bot.registry.asked("HEAD") if "/manifests/new" in entry.path]
    assert len(heads) <= len(order) * 70, "each delete rests on one look at all tags, or shares it"


@pytest.mark.parametrize("guarded", [False, True])
def test_a_tag_that_comes_back_onto_an_index_while_others_go_stays(bot, guarded):
    """Forty images go, 32 at once. With the first, ``latest`` is rolled back to the last."""
    script = ""
    for number in range(40):
        own = make_image(platform="linux/arm64", labels={"n": str(number)})
        bot.registry.put_index(APP, f"old{number:02}", {"linux/arm64": own})
        script += f"image.delete(app .. ':old{number:02}', {{children = true}})\n"
    bot.registry.put_image(APP, "latest")
    last = bot.registry.tags(APP)["old39"]
    child = listed_by(bot.registry.manifests(APP)[last])
    bot.registry.before(
        "DELETE", "/manifests/sha256:", lambda: bot.registry.tag(APP, "latest", last)
    )
    bot.configure(script, **({"guard": {"maxDeletes": 1000}} if guarded else {}))
    if guarded:
        done = bot.run("once")
    else:
        bot.make_plan()
        done = bot.apply()
    assert "skipped" in done.stderr
    assert bot.registry.tags(APP) == {"latest": last}
    assert {last, *child} <= set(bot.registry.manifests(APP))


def test_a_removal_whose_tag_is_refused_ends_there_and_the_others_go_on(bot):
    for number in range(4):
        own = make_image(platform="linux/arm64", labels={"n": str(number)})
        bot.registry.put_index(APP, f"old{number}", {"linux/amd64": CHILD, "linux/arm64": own})
    bot.configure(
        'for number = 0, 3 do image.delete(app .. ":old" .. number, {children = true}) end'
    )
    bot.make_plan()
    bot.registry.break_next("status", "DELETE", "/manifests/old1", status=403, times=99)
    assert bot.apply().returncode == 1
    [(name, at)] = bot.registry.tags(APP).items()
    assert name == "old1"
    there = bot.registry.manifests(APP)
    assert set(there) == {at, *listed_by(there[at])}
