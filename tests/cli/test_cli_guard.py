"""Guards, as the installed command keeps them."""

import pytest
from support.applying import APP, DAY, OLD, bot_in, index_of
from support.images import make_image

COPY_THEN_DELETE = """
image.copy(app .. ":new0", app .. "-copy:new0")
tag.delete(app .. ":old0", {reason = "it is old"})
"""


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=3, new=2)
        yield bot


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"maxDeletes": 2}, "maxDeletes 2 (bot.yml:1): 3 would go"),
        ({"maxDeletePercent": 50}, "maxDeletePercent 50 (bot.yml:1): 3 of 5 tags"),
        ({"protect": ["old1"]}, "protect old1 (bot.yml:1): "),
        ({"protect": ["team/*:*1"]}, "protect team/*:*1 (bot.yml:1): "),
        ({"protect": ["regex:old[1-9]"]}, "protect regex:old[1-9] (bot.yml:1): "),
        ({"minAge": "5000w"}, "too young"),
        ({"keepAtLeast": 4}, "would keep 2 tags, 2 too few"),
    ],
)
@pytest.mark.parametrize("command", ["once", "plan"])
@pytest.mark.parametrize("place", ["script", "defaults"])
def test_a_broken_rule_fails_the_script_before_anything_is_touched(bot, rule, said, command, place):
    before = bot.registry.tags(APP)
    script = COPY_THEN_DELETE + 'tag.delete(app .. ":old1") tag.delete(app .. ":old2")'
    own = {"guard": rule} if place == "script" else {}
    bot.configure_all({"clean": {"script": script, **own}}, **({} if own else {"guard": rule}))
    done = bot.run(command)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    assert said in line
    assert "the guard stopped this script, and nothing was deleted: " in line
    assert bot.wrote() == []
    assert bot.registry.tags(APP) == before
    assert bot.journalled() == {}


def test_an_age_that_is_not_known_breaks_min_age(bot):
    bot.registry.put_image(APP, "old9", created=None)
    bot.configure(guard={"minAge": "1d"})
    done = bot.run("once")
    assert done.returncode == 1
    assert f"the age of {bot.app}:old9 is unknown" in done.stderr
    assert bot.wrote() == []


def test_kept_rules_let_exactly_the_plan_happen(bot):
    guard = {"maxDeletes": 3, "maxDeletePercent": 60, "keepAtLeast": 2, "minAge": "1w"}
    bot.configure(guard={**guard, "protect": ["new*"]})
    done = bot.run("once", "--dry-run")
    assert (done.returncode, bot.wrote()) == (0, [])
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
    assert len(bot.wrote()) == 3
    (actions,) = bot.journalled().values()
    assert sorted(tag for action in actions for tag in action.tags) == ["old0", "old1", "old2"]


def test_what_else_the_script_does_happens_too(bot):
    bot.configure(COPY_THEN_DELETE, guard={"maxDeletes": 1})
    assert bot.run("once").returncode == 0
    tags = bot.registry.tags(APP)
    assert set(tags) == {"new0", "new1", "old1", "old2"}
    assert bot.registry.tags(f"{APP}-copy") == {"new0": tags["new0"]}


def test_rules_of_the_script_win_but_patterns_of_both_count(bot):
    scripts = {
        "more": {"script": 'tag.delete(app .. ":old0")', "guard": {"maxDeletes": 1}},
        "kept": {"script": 'tag.delete(app .. ":new0")', "guard": {"protect": ["x"]}},
    }
    bot.configure_all(scripts, guard={"maxDeletes": 0, "protect": ["new*"]})
    done = bot.run("once")
    assert done.returncode == 1
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old1", "old2"}
    (line,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    assert "script=kept" in line
    assert "maxDeletes 0" in line
    assert f"protect new* (bot.yml:1): {bot.app}:new0 is protected" in line


def test_a_digest_is_protected_by_each_of_its_tags(bot):
    bot.registry.tag(APP, "release", bot.registry.tags(APP)["old0"])
    script = 'manifest.getList(app .. ":old0"):delete()'
    bot.configure(script, guard={"protect": ["release"]})
    done = bot.run("once")
    assert done.returncode == 1
    assert f"protect release (bot.yml:1): {bot.app}:release is protected" in done.stderr
    assert bot.wrote() == []
    bot.configure(script, guard={"maxDeletes": 1})
    done = bot.run("once")
    assert done.returncode == 1
    assert ": 2 would go (" in done.stderr
    assert bot.wrote() == []


def test_an_index_with_its_children_counts_as_many(bot):
    children = index_of("linux/amd64", "linux/arm64", created=OLD)
    bot.registry.put_index(APP, "multi", children)
    script = 'image.delete(app .. ":multi", {children = true})'
    bot.configure(script, guard={"maxDeletes": 3, "minAge": "1d"})
    done = bot.run("once")
    assert ": 4 would go (" in done.stderr
    assert (done.returncode, bot.wrote()) == (1, [])
    bot.configure(script, guard={"maxDeletes": 4, "minAge": "1d"})
    assert bot.run("once").returncode == 0
    left = set(bot.registry.manifests(APP))
    assert left.isdisjoint(str(child.digest) for child in children.values())


def test_protect_is_kept_at_the_door_of_apply(bot):
    bot.configure()
    bot.make_plan()
    bot.configure(guard={"protect": ["old1"]})
    done = bot.apply()
    assert done.returncode == 1
    assert f"protect old1 (bot.yml:1): {bot.app}:old1 is protected" in done.stderr
    assert "warning: the config or its scripts changed since the plan was made" in done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old1"}


def test_defaults_protect_also_in_apply_what_a_script_of_another_name_planned(bot):
    bot.configure()
    bot.make_plan()
    scripts = {"other": {"script": "return 1"}}
    bot.configure_all(scripts, guard={"protect": ["old*"]})
    assert bot.apply().returncode == 1
    assert bot.wrote() == []


def test_a_tag_that_moved_after_it_was_judged_is_left(bot):
    new = make_image(labels={"pushed": "meanwhile"})
    bot.configure(
        'manifest.getList(app .. ":old1"):delete() tag.delete(app .. ":old0")',
        guard={"minAge": "1w"},
    )
    bot.registry.before("DELETE", "", lambda: bot.registry.put(APP, "old0", new))
    done = bot.run("once")
    assert done.returncode == 0
    assert bot.registry.tags(APP)["old0"] == str(new.digest)
    assert "moved since the script looked" in done.stderr


def test_the_time_that_an_image_is_too_young_is_said(bot):
    bot.configure('tag.delete(app .. ":new0")', guard={"minAge": f"{36500 * DAY}s"})
    done = bot.run("once")
    assert done.returncode == 1
    assert f"minAge 36500d (bot.yml:1): {bot.app}:new0 is " in done.stderr
