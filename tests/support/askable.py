"""A real server with a page, over a registry of its own."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from regbot.journal.journal import Journal
from regbot.journal.records import PlanRecord
from support.applying import APP, Bot
from support.command import REGBOT, environment

TOKEN, READ = "sesame-sesame-sesame", "mellon-mellon-mellon"
_PATIENCE = 60.0
"""Seconds after which something that has to happen counts as not happening."""


@dataclass
class Server:
    """A process of ``regbot server --listen``, and what it logged so far."""

    bot: Bot
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    url: str = ""
    _news: queue.Queue[str] = field(default_factory=queue.Queue)

    def read(self) -> None:
        """Read the log, in a thread of its own, so that the process never waits for that."""
        assert self.process.stderr
        for line in self.process.stderr:
            self._news.put(line)

    def until(self, words: str) -> str:
        """Wait for a line with these words, from those that were not looked at yet."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                line = self._news.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{words!r} is not in {''.join(self.lines)}") from None
            self.lines.append(line)
            if words in line:
                return line

    def ask(self, path: str, method: str = "POST", **settings: Any) -> requests.Response:
        """A request with the token, unless other headers are given."""
        settings.setdefault("headers", {"Authorization": f"Bearer {TOKEN}"})
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url + path, timeout=30, allow_redirects=False, **settings
            )

    def plans(self) -> list[PlanRecord]:
        """The plans in the journal, the oldest first."""
        with Journal(self.bot.state) as journal:
            return journal.plans()[::-1]

    def tags(self) -> set[str]:
        """The tags that are left."""
        return set(self.bot.registry.tags(APP))


def configure(bot: Bot, *, server: Any = None, **script: Any) -> None:
    """One script, ``clean``, that deletes old tags, and who may ask for it."""
    bot.configure(**script)
    path = bot.folder / "bot.yml"
    config = json.loads(path.read_text())
    config["server"] = {"token": TOKEN} if server is None else server
    path.write_text(json.dumps(config))


@contextmanager
def serving(bot: Bot, *arguments: str) -> Iterator[Server]:
    """A server on a free port, until the end of the block."""
    process = subprocess.Popen(
        [REGBOT, "server", "-c", "bot.yml", "--listen", "127.0.0.1:0", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env=environment(bot.folder),
        cwd=bot.folder,
        text=True,
    )
    server = Server(bot, process)
    reader = threading.Thread(target=server.read)
    reader.start()
    try:
        (server.url,) = re.findall(r"url=(\S+)", server.until("msg=listening"))
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            reader.join()
            assert process.stderr
            process.stderr.close()
