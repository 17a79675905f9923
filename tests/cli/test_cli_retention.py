"""Retention rules, as the installed command carries them out."""

import json
import re

import pytest
from support.applying import APP, OLD, bot_in
from support.registry import DISTRIBUTION_3

KEEP_NEW = {"keep": [{"tags": ["new*"]}, {"tags": ["old*"], "newest": {"count": 1, "by": "name"}}]}


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        yield bot


def configure(bot, retention, *repositories, **more):
    """One entry, ``tidy``, over repositories of the registry; without any over all."""
    named = [f"{bot.registry.host}/{name}" for name in repositories] or [bot.registry.host]
    entry = {"name": "tidy", "repositories": named, "retention": retention, **more}
    config = {
        "creds": [{"registry": bot.registry.host, "tls": "disabled"}],
        "defaults": {"timeout": "60s", "state": "state", "cache": {"dir": "."}},
        "scripts": [entry],
    }
    (bot.folder / "bot.yml").write_text(json.dumps(config))


def test_what_no_rule_keeps_is_deleted_and_can_be_put_back(bot):
    before = bot.registry.tags(APP)
    configure(bot, KEEP_NEW)
    dry = bot.run("once", "--dry-run")
    assert (dry.returncode, bot.wrote()) == (0, [])
    assert "old0" in dry.stdout
    assert "no rule keeps it (rule 2: number 3 by name, only the newest stays)" in dry.stdout
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old2"}
    (run,) = bot.journalled()
    assert bot.run("undo", run).returncode == 0
    assert bot.registry.tags(APP) == before


def test_a_plan_of_rules_is_applied(bot):
    configure(bot, KEEP_NEW)
    plan = bot.make_plan()
    assert len(plan["actions"]) == 2
    assert bot.apply().returncode == 0
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old2"}


def test_a_guard_judges_all_repositories_together(bot):
    bot.registry.put_image("team/other", "old7", created=OLD, labels={"n": "7"})
    bot.registry.put_image("team/other", "old8", created=OLD, labels={"n": "8"})
    configure(bot, KEEP_NEW, guard={"maxDeletes": 2})
    done = bot.run("once")
    assert done.returncode == 1
    assert "): 3 would go (2 of " in done.stderr
    assert bot.wrote() == []
    configure(bot, KEEP_NEW, guard={"maxDeletes": 3})
    assert bot.run("once").returncode == 0
    assert set(bot.registry.tags("team/other")) == {"old8"}


def test_a_repository_with_nothing_to_delete_is_told_for_debugging_alone(bot):
    configure(bot, {"keep": [{"tags": ["*"]}]})
    assert "are to be deleted" not in bot.run("once").stderr
    assert "0 of 5 tags are to be deleted" in bot.run("once", "-v", "debug").stderr


def test_a_protected_tag_fails_alone(bot):
    configure(bot, KEEP_NEW, guard={"protect": ["old0"]})
    done = bot.run("once")
    assert done.returncode == 1
    assert "protect old0 (bot.yml:1): " in done.stderr
    assert bot.wrote() == []


def test_the_last_line_has_the_reason_of_a_failed_delete(bot):
    bot.registry.break_next("status", path="/manifests/old0", status=403, times=99)
    configure(bot, {"keep": [{"tags": ["new*"]}]})
    done = bot.run("once")
    assert done.returncode == 1
    (failed,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    assert re.search(r"1 of 3 actions failed: .*/manifests/old0", failed)
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old0"}


def test_a_source_of_images_in_use_that_can_not_be_read_is_told_once(bot):
    configure(bot, {"keep": [{"tags": ["new*"]}]}, inUse={"file": "images.txt"})
    done = bot.run("once")
    assert done.returncode == 1
    (failed,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    assert "images.txt can't be read" in failed
    assert "old0" not in done.stderr
    assert bot.wrote() == []


@pytest.mark.parametrize("guard", [{}, {"maxDeletes": 10}])
def test_one_repository_that_fails_stops_no_other(bot, guard):
    bot.registry.put_image("team/a", "junk")
    bot.registry.put_image("team/z", "old1")
    bot.registry.put_image("team/z", "old2", labels={"n": "2"})
    bot.registry.break_next("status", path="team/app/tags/list", status=403, times=99)
    configure(bot, KEEP_NEW, **({"guard": guard} if guard else {}))
    done = bot.run("once")
    assert done.returncode == 1
    (failed,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    host = bot.registry.host
    assert f"2 repositories failed: {host}/team/a, {host}/{APP}" in failed
    assert done.stderr.count("the rules keep none of 1 tags") == 1
    assert done.stderr.count("/team/app/tags/list") == 1
    assert set(bot.registry.tags("team/z")) == {"old2"}
    assert set(bot.registry.tags("team/a")) == {"junk"}
    assert len(bot.registry.tags(APP)) == 5


def test_a_repository_that_is_named_has_to_be_there(bot):
    configure(bot, KEEP_NEW, "team/missing", APP)
    done = bot.run("once")
    assert done.returncode == 1
    assert "team/missing" in done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old2"}


def test_a_repository_that_is_only_listed_may_have_no_tags_any_more(bot):
    bot.registry.put_image("team/empty", "v1")
    bot.registry.break_next("status", path="team/empty/tags/list", status=404, times=99)
    configure(bot, KEEP_NEW)
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1", "old2"}


def test_patterns_that_fit_no_repository_are_told(bot):
    configure(bot, KEEP_NEW)
    text = (bot.folder / "bot.yml").read_text()
    config = json.loads(text)
    config["scripts"][0]["repositories"] = {"registry": bot.registry.host, "match": ["tema/*"]}
    (bot.folder / "bot.yml").write_text(json.dumps(config))
    done = bot.run("once")
    assert done.returncode == 0
    assert 'level=WARN msg="no repository fits" script=tidy' in done.stderr


def test_a_listing_that_breaks_off_deletes_nothing(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3, page_size=2) as bot:
        before = bot.fill(old=3, new=2)
        configure(bot, KEEP_NEW, APP)
        bot.registry.break_next("status", path="last=", status=500, times=99)
        done = bot.run("once")
        assert done.returncode == 1
        assert bot.registry.tags(APP) == before


def test_signatures_go_after_their_image_and_stay_where_it_could_not_go(bot):
    digest = bot.registry.tags(APP)["old0"].removeprefix("sha256:")
    signature = f"sha256-{digest}.sig"
    bot.registry.put_image(APP, signature, labels={"is": "signature"})
    configure(bot, KEEP_NEW, APP)
    bot.registry.break_next("status", "DELETE", "manifests/old0", status=403, times=99)
    done = bot.run("once")
    assert done.returncode == 1
    assert {"old0", signature} <= set(bot.registry.tags(APP))
    assert "old1" not in bot.registry.tags(APP)
    bot.registry.faults.clear()
    bot.registry.forget()
    assert bot.run("once").returncode == 0
    deletes = [path.rpartition("/")[2] for path in bot.wrote()]
    assert deletes == ["old0", signature]


def test_the_requests_of_three_hundred_tags(tmp_path):
    """Nothing for what its name decides; one HEAD a tag for the rest, where it is known."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        for number in range(200):
            bot.registry.put_image(APP, f"v1.0.{number}", labels={"n": f"v{number}"})
        for number in range(100):
            bot.registry.put_image(APP, f"ci-{number}", labels={"n": f"ci{number}"})
        rules = [{"tags": ["v*"]}, {"tags": ["ci-*"], "newest": {"count": 500}}]
        configure(bot, {"keep": rules}, APP)
        assert bot.run("once").returncode == 0
        assert bot.registry.asked(part="/manifests/v") == []
        assert len(bot.registry.asked("GET", "/manifests/")) == 100
        bot.registry.forget()
        assert bot.run("once").returncode == 0
        asked = [f"{each.method} {each.path.rpartition('/')[2]}" for each in bot.registry.requests]
        besides = [each for each in asked if not each.startswith("GET list")]
        assert sorted(besides) == sorted(f"HEAD ci-{number}" for number in range(100))
