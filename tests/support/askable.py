"""A real server that is asked for something, over a registry of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from regbot.journal.opening import open_journal
from regbot.journal.records import PlanRecord
from support.applying import APP, Bot
from support.serverprocess import Serving, serving

TOKEN = "sesame-sesame-sesame"


@dataclass
class Asked:
    """A server of a bot's config; ``_seen`` lines of its log were waited for."""

    bot: Bot
    serving: Serving
    _seen: int = 0

    @property
    def url(self) -> str:
        return self.serving.url

    @property
    def log(self) -> str:
        return "".join(self.serving.log)

    def until(self, words: str) -> None:
        """Wait for a line with these words, after the one that was waited for last."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for place, line in enumerate(self.serving.log[self._seen :], self._seen + 1):
                if words in line:
                    self._seen = place
                    return
            time.sleep(0.02)
        raise AssertionError(f"{words!r} is not in\n{self.log}")

    def ask(self, path: str, method: str = "POST", **settings: Any) -> requests.Response:
        """A request with the token, unless other headers are given."""
        settings.setdefault("headers", {"Authorization": f"Bearer {TOKEN}"})
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url + path, timeout=30, allow_redirects=False, **settings
            )

    def plan_that_waits(self) -> str:
        """The id of a plan that waits, because somebody asked for a run of the script."""
        assert self.ask("/scripts/clean/run").status_code == 202
        self.until("a plan waits for approval")
        (plan,) = [plan for plan in self.plans() if plan.state == "waiting"]
        return plan.id

    def plans(self) -> list[PlanRecord]:
        """The plans in the journal."""
        with open_journal(self.bot.state) as journal:
            return journal.plans()

    def tags(self) -> set[str]:
        """The tags that are left."""
        return set(self.bot.registry.tags(APP))


def configure(bot: Bot, **script: Any) -> None:
    """One script, ``clean``, that deletes old tags, and a token to ask for it."""
    bot.configure(**script)
    path = bot.folder / "bot.yml"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "server": {"token": TOKEN}}))


@contextmanager
def asked(bot: Bot) -> Iterator[Asked]:
    """A server on a free port, until the end of the block."""
    with serving(bot.folder / "bot.yml") as process:
        yield Asked(bot, process)
