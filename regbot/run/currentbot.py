"""The bot of the config in force, and those of earlier ones that still have something to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from regbot.config.values import Config
from regbot.run.bot import Bot


class _Opened:
    """A bot, and how many runs use it."""

    def __init__(self, opening: AbstractContextManager[Bot]) -> None:
        self._opening = opening
        self.bot = opening.__enter__()
        self.runs = 0

    def close(self) -> None:
        self._opening.__exit__(None, None, None)


class CurrentBot:
    """The bot of the config in force; threads may share it.

    One that was replaced is closed when the last of its runs has ended.
    """

    def __init__(
        self, open_bot: Callable[[Config], AbstractContextManager[Bot]], config: Config
    ) -> None:
        self._open_bot = open_bot
        self._lock = threading.Lock()
        self._current = _Opened(open_bot(config))
        self._closing: list[threading.Thread] = []

    @property
    def bot(self) -> Bot:
        """The bot, to be asked and not to be run."""
        return self._current.bot

    @contextmanager
    def in_use(self) -> Iterator[Bot]:
        """The bot for one run, which stays open until the end of that."""
        with self._lock:
            opened = self._current
            opened.runs += 1
        try:
            yield opened.bot
        finally:
            with self._lock:
                opened.runs -= 1
                is_left = not opened.runs and opened is not self._current
            if is_left:
                self._close(opened)

    def replace(self, config: Config) -> None:
        """Put the bot of another config in its place. Raises as ``open_bot`` does."""
        opened = _Opened(self._open_bot(config))
        with self._lock:
            before, self._current = self._current, opened
            is_left = not before.runs
        if is_left:
            self._close(before)

    def _close(self, opened: _Opened) -> None:
        """Close a bot that no run uses any more: it may have units of others under way."""
        thread = threading.Thread(target=opened.close, name="close")
        self._closing.append(thread)
        thread.start()

    def close(self) -> None:
        """Close the bot of the config in force, and wait for those before it.

        No run may use it any more.
        """
        self._current.close()
        for thread in self._closing:
            thread.join()
