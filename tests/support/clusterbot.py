"""A config whose state is a database, and workers of it as real processes."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbot.journal.opening import open_journal
from regbot.journal.records import RunRecord
from support.applying import Bot
from support.command import REGBOT, environment
from support.registry import TestRegistry


@dataclass(frozen=True, slots=True)
class ClusterBot(Bot):
    """A bot over one registry, with its state in a database."""

    @contextmanager
    def worker(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A worker until the end of the block, where it is asked to end.

        What it tells is in the file ``worker0``, ``worker1`` and so on.
        """
        log = self.folder / f"worker{len(list(self.folder.glob('worker*')))}"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [REGBOT, "worker", "-c", "bot.yml", *arguments],
                env=environment(self.folder),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                text=True,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def runs(self) -> list[RunRecord]:
        """The runs in the history, newest first."""
        with open_journal(self.state) as journal:
            return journal.runs()


@contextmanager
def cluster_bot(folder: Path, url: str, **switches: Any) -> Iterator[ClusterBot]:
    """A bot over a registry of its own, whose state is in a database."""
    with TestRegistry(**switches) as registry:
        yield ClusterBot(folder, registry, url)
