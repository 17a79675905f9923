"""How many requests deletes send, and in which order."""

from __future__ import annotations

import pytest
from support.applying import APP, bot_in
from support.registry import DISTRIBUTION_3

NO_LIMIT = {"maxDeletes": 1000, "maxDeletePercent": 100}
FALLBACK = "/manifests/sha256-"
TAGS = 48


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=TAGS, new=1)
        bot.registry.forget()
        yield bot


def looks_and_deletes(bot):
    """The requests for tags, in order, without those that look once more."""
    return [
        f"{entry.method} {entry.path.rpartition('/')[2]}"
        for entry in bot.registry.asked(part="/manifests/old")
        if entry.method != "HEAD"
    ]


def test_a_script_that_lists_and_deletes_needs_two_requests_a_tag(bot):
    """The list it made shows that there is no fallback tag to be asked for."""
    bot.configure()
    assert bot.run("once").returncode == 0
    names = sorted(f"old{number}" for number in range(TAGS))
    assert looks_and_deletes(bot) == [
        f"{way} {name}" for name in names for way in ("GET", "DELETE")
    ]
    assert len(bot.registry.asked(part=FALLBACK)) <= 1
    assert len(bot.registry.asked(part="/referrers/")) == 2, "no API is believed when told twice"


@pytest.mark.parametrize("guard", [None, NO_LIMIT])
def test_a_list_is_cheaper_than_many_looks_at_fallback_tags(bot, guard):
    """An apply has no list of the script's, and nor has the second half of a guarded run."""
    bot.configure(**({"guard": guard} if guard else {}))
    if guard:
        assert bot.run("once").returncode == 0
    else:
        bot.make_plan()
        bot.registry.forget()
        assert bot.apply().returncode == 0
    assert sorted(bot.registry.tags(APP)) == ["new0"]
    assert len(bot.registry.asked(part=FALLBACK)) < TAGS
    assert len(bot.registry.asked(part="/referrers/")) == 2, "no API is believed when told twice"


def test_a_list_of_many_pages_is_asked_for_when_that_pays(tmp_path):
    """It would cost more than the few deletes of this script."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=6, new=1)
        digest = bot.registry.tags(APP)["new0"]
        for number in range(3000):
            bot.registry.tag(APP, f"kept{number}", digest)
        names = ", ".join(f'"old{number}"' for number in range(6))
        bot.configure(f'for _, name in ipairs({{{names}}}) do tag.delete(app .. ":" .. name) end')
        bot.registry.forget()
        assert bot.run("once").returncode == 0
        asked = [entry.path for entry in bot.registry.requests]
        last = asked.index("/v2/team/app/manifests/old5")
        assert len([path for path in asked[:last] if "/tags/list" in path]) <= 1
