"""Which scripts fail, as the journal remembers it for the next process."""

from __future__ import annotations

from regbot.journal.opening import open_journal

NOW = 1_795_456_501.0
DAY = 86400.0


def test_a_script_fails_until_it_works_again(state):
    with open_journal(state) as journal:
        assert journal.failing("/bot.yml") == frozenset()
        for script in ("nightly", "nightly", "weekly\udc80"):
            journal.set_failing("/bot.yml", script, failing=True)
        journal.set_failing("/bot.yml", "weekly\udc80", failing=False)
        journal.set_failing("/bot.yml", "other", failing=False)
    with open_journal(state) as journal:
        assert journal.failing("/bot.yml") == {"nightly"}
        assert journal.failing("/other.yml") == frozenset()


def test_what_failed_long_ago_is_forgotten(state):
    times = iter([NOW - 31 * DAY, NOW - 29 * DAY, NOW, NOW])
    with open_journal(state, clock=lambda: next(times)) as journal:
        journal.set_failing("/bot.yml", "long ago", failing=True)
        journal.set_failing("/bot.yml", "lately", failing=True)
        journal.forget("/other.yml", 1.0)
        assert journal.failing("/bot.yml") == {"lately"}
