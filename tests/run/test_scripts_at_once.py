"""Scripts that run at once and change one repository: as if one had run after the other."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.applying import APP, bot_in
from support.images import make_image, push
from support.registry import DISTRIBUTION_3

from regbot.config.load import read_config
from regbot.events import Event, Printed, RunResult, ScriptEnded, plain
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.run.bot import Bot, Options, assemble
from regbot.store.ocidir import OciDirStore

LONG = 60.0
OTHER = f"{APP}-other"
KEEP = {"keepAtLeast": 5}
NO_GUARD: dict[str, Any] = {}
MEETING = f"{APP}-meeting"
WAIT = " tag.ls(meeting) "
"""Asks for something that a test answers when it is time."""
DELETE_FROM = """
for _, repository in ipairs({...}) do
  for _, name in ipairs(tag.ls(repository)) do
    if name:match(pattern) then tag.delete(repository .. ":" .. name) end
  end
end
"""


def deleting(pattern: str, *repositories: str) -> str:
    """A script that deletes the tags that fit a pattern, and then says that it is through."""
    places = ", ".join(repositories or ("app",))
    begin = f'local pattern = "{pattern}" local function clean(...) {DELETE_FROM} end '
    return f'{begin} clean({places}) print("through") '


def run_all(
    folder: Path,
    *,
    dry_run: bool = False,
    hear: Callable[[Bot, Event], None] = lambda _bot, _event: None,
) -> tuple[dict[str, RunResult], Bot]:
    """Run the scripts of a config in this process; their results by name."""
    path = str(folder / "bot.yml")
    config = read_config(path, environ={}, stdin=io.BytesIO())
    bots: list[Bot] = []
    options = Options(dry_run=dry_run)
    with assemble(config, options, path, plain(lambda event: hear(bots[0], event))) as bot:
        bots.append(bot)
        results = {result.script: result for result in bot.run_once().results}
    return results, bot


def both_wait(bot: Any) -> None:
    """Let two scripts wait for one another in WAIT."""
    together = threading.Barrier(2)
    bot.registry.before("GET", f"{MEETING}/tags", lambda: together.wait(LONG), times=2)


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        for repository in (APP, OTHER):
            for number in range(5):
                bot.registry.put_image(repository, f"old{number}", labels={"n": str(number)})
                bot.registry.put_image(repository, f"new{number}", labels={"n": f"n{number}"})
        bot.registry.put_image(MEETING, "any")
        yield bot


def configure(
    bot: Any, scripts: dict[str, str], guard: dict[str, Any] = KEEP, **settings: dict[str, Any]
) -> None:
    """Two scripts at a time; ``settings`` are those of a script, by its name."""
    begin = 'local other, meeting = app .. "-other", app .. "-meeting" '
    bot.configure_all(
        {
            name: {"script": begin + text, "guard": guard, **settings.get(name, {})}
            for name, text in scripts.items()
        },
        parallel=2,
    )


class TestGuards:
    def test_two_plans_that_are_judged_at_once_do_not_empty_a_repository(self, bot):
        """The second script has read everything before the first one deletes anything."""
        begun, planned = threading.Event(), threading.Event()
        bot.registry.before("DELETE", APP, lambda: begun.set() or planned.wait(LONG), times=5)
        bot.registry.before("GET", f"{MEETING}/tags", lambda: begun.wait(LONG))
        configure(bot, {"first": deleting("^old"), "second": WAIT + deleting("^new")})

        def hear(_bot, event):
            if isinstance(event, Printed) and begun.is_set():
                planned.set()

        results, _ = run_all(bot.folder, hear=hear)
        assert planned.is_set()
        assert results["first"].status == "done"
        assert ": keepAtLeast 5 (" in results["second"].error
        assert "would keep 0 tags, 5 too few" in results["second"].error
        assert set(bot.registry.tags(APP)) == {f"new{number}" for number in range(5)}

    def test_nor_do_they_in_a_dry_run(self, bot):
        both_wait(bot)
        configure(bot, {"first": deleting("^old") + WAIT, "second": deleting("^new") + WAIT})
        results, program = run_all(bot.folder, dry_run=True)
        assert Counter(result.status for result in results.values()) == {"done": 1, "failed": 1}
        statuses = Counter(outcome.status for outcome in program.outcomes)
        assert statuses == {"planned": 5, "skipped": 5}

    def test_what_both_delete_counts_once(self, bot):
        both_wait(bot)
        configure(bot, dict.fromkeys(("first", "second"), deleting("^old") + WAIT))
        results, _ = run_all(bot.folder)
        assert {result.status for result in results.values()} == {"done"}
        assert set(bot.registry.tags(APP)) == {f"new{number}" for number in range(5)}

    def test_plans_for_the_same_repositories_in_another_order_do_not_block(self, bot):
        both_wait(bot)
        first = deleting("^old[01]", "app", "other") + WAIT
        configure(bot, {"first": first, "second": deleting("^old[34]", "other", "app") + WAIT})
        results, _ = run_all(bot.folder)
        assert {result.status for result in results.values()} == {"done"}
        assert len(bot.registry.tags(APP)) == len(bot.registry.tags(OTHER)) == 6

    @pytest.mark.parametrize("timeout", ["2s", "60s"])
    def test_a_script_that_waits_for_another_ends_at_once(self, bot, timeout):
        """At its timeout, and when the run is stopped: the first one's DELETEs hang until then."""
        begun, ended = threading.Event(), threading.Event()
        bot.registry.before("DELETE", APP, lambda: begun.set() or ended.wait(LONG), times=5)
        bot.registry.before("GET", f"{MEETING}/tags", lambda: begun.wait(LONG))
        scripts = {"first": deleting("^old"), "second": WAIT + deleting("^new")}
        configure(bot, scripts, second={"timeout": timeout})

        def hear(program, event):
            if isinstance(event, Printed) and begun.is_set() and timeout == "60s":
                program.stop.ask()
            if isinstance(event, ScriptEnded) and event.result.script == "second":
                ended.set()

        results, _ = run_all(bot.folder, hear=hear)
        assert ended.is_set()
        late = "ran longer than its timeout of 2s (set a longer timeout)"
        assert results["second"].error.endswith(late if timeout == "2s" else "stopped")
        if timeout == "2s" or len(bot.registry.tags(APP)) == 5:
            assert results["first"].status == "done"  # its deletes had all been sent
        else:
            assert results["first"].status == "stopped"
        assert {f"new{number}" for number in range(5)} <= set(bot.registry.tags(APP))


class TestAPutOnATagThatIsBeingDeleted:
    """The first script begins the delete of a tag; the second one puts the tag meanwhile."""

    @pytest.fixture
    def meeting(self, bot):
        """The first script goes on, after its delete, once the second one has put the tag."""
        deleted, put = threading.Event(), threading.Event()
        bot.registry.before("HEAD", f"{MEETING}/manifests/any", lambda: put.wait(LONG))
        bot.registry.before("GET", f"{MEETING}/tags", lambda: deleted.wait(LONG))

        def hear(_bot, event):
            if isinstance(event, Printed):
                {"deleted": deleted, "put": put}[event.text].set()

        with patch("regbot.plan.behind._PAUSE", 10 * LONG):
            yield hear

    @pytest.mark.parametrize(("place", "source"), [("registry", "same"), ("layout", "new0")])
    def test_both_are_done_one_after_the_other(self, bot, meeting, monkeypatch, place, source):
        monkeypatch.chdir(bot.folder)
        bot.registry.tag(APP, "same", bot.registry.tags(APP)["old0"])
        store = OciDirStore(Reference.parse("ocidir://layout"))
        push(store, make_image(), "old0")
        where = "app" if place == "registry" else '"ocidir://layout"'
        begin = f'local tagged = {where} .. ":old0" '
        first = f'{begin} tag.delete(tagged) print("deleted") manifest.head(meeting .. ":any")'
        second = f'{begin} {WAIT} image.copy(app .. ":{source}", tagged) print("put")'
        configure(bot, {"first": first, "second": second}, NO_GUARD, second={"timeout": "60s"})
        results, program = run_all(bot.folder, hear=meeting)
        assert {result.error for result in results.values()} == {""}
        assert [outcome.status for outcome in program.outcomes] == ["done", "done"]
        tags = bot.registry.tags(APP)
        now = tags["old0"] if place == "registry" else str(store.head(Tag("old0")).digest)
        assert now == tags[source]

    def test_a_put_that_waits_ends_at_its_timeout(self, bot, meeting):
        ended = threading.Event()
        bot.registry.before("HEAD", f"{APP}/manifests/old0", lambda: ended.wait(LONG))
        first = 'tag.delete(app .. ":old0") print("deleted")'
        second = f'{WAIT} manifest.put(manifest.get(app .. ":new0"), app .. ":old0")'
        configure(bot, {"first": first, "second": second}, NO_GUARD, second={"timeout": "2s"})

        def hear(program, event):
            meeting(program, event)
            if isinstance(event, ScriptEnded) and event.result.script == "second":
                ended.set()

        results, _ = run_all(bot.folder, hear=hear)
        assert results["second"].error.endswith(
            "ran longer than its timeout of 2s (set a longer timeout)"
        )
        assert results["first"].status == "done"
        assert "old0" not in bot.registry.tags(APP)
