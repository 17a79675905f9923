"""A command of regbot as a process whose lease lasts three seconds.

``python -m support.quickcommand COMMAND...`` is ``regbot COMMAND...``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.applying import Bot
from support.command import environment

LEASE = 3.0
"""Seconds."""


@contextmanager
def quick_command(bot: Bot, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command over a bot's config, killed at the end of the block if it is still there.

    What it writes is in the files ``stdout`` and ``stderr``.
    """
    command = (*arguments, "-c", "bot.yml")
    out, err = ((bot.folder / name).open("wb") for name in ("stdout", "stderr"))
    with out, err:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "support.quickcommand", *command],
            cwd=bot.folder,
            env=environment(bot.folder, PYTHONPATH=str(Path(__file__).parents[1])),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    from regbot.cli.main import main
    from regbot.journal import leases

    leases.SECONDS, leases.EVERY = LEASE, LEASE / 6
    main()
