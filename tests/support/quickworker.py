"""``regbot worker`` as a process whose lease lasts three seconds, and whose clock may be off.

``python -m support.quickworker CONFIG SECONDS SCHEMA`` works until SIGTERM. Registries see
``worker/PID`` as its user agent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.clusterworker import LEASE, TIMES
from support.command import environment
from support.handing import write_in_form


@contextmanager
def quick_worker(
    folder: Path, clock: float = 0.0, schema: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A worker of ``bot.yml`` whose clock is so many seconds ahead, ready as the block begins.

    It knows units in the form with the number ``schema``, and is killed at the end. What it
    tells is in a file ``worker0`` and so on.
    """
    log = folder / f"worker{len(list(folder.glob('worker*')))}"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                "-m",
                "support.quickworker",
                "bot.yml",
                str(clock),
                str(schema or ""),
            ],
            cwd=folder,
            env=environment(folder, PYTHONPATH=str(Path(__file__).parents[1])),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n", log.read_text()
        yield process
    finally:
        process.kill()
        process.communicate()


def _work(config_path: str) -> None:
    # Only here, where the clock is off by now.
    from regbot.cli.opening import read_config
    from regbot.cli.reading import compiler
    from regbot.journal.place import DatabaseUrl
    from regbot.journal.shared import SharedState
    from regbot.run.bot import Options, assemble
    from regbot.run.cluster.opening import open_worker

    def tell(event: object) -> None:
        print(event, file=sys.stderr, flush=True)

    config = read_config(config_path, compiler())
    assert isinstance(config.state, DatabaseUrl)
    shared = SharedState(config.state, seconds=LEASE)
    options = Options(user_agent=f"worker/{os.getpid()}", grace=5, shared=shared)
    with (
        closing(shared),
        assemble(config, options, str(Path(config_path).absolute()), tell) as bot,
        open_worker(bot, "the test", times=TIMES) as units,
    ):
        signal.signal(signal.SIGTERM, lambda *_: bot.stop.ask())
        print("ready", flush=True)
        # In this thread, as the command does: a thread that only joins another isn't woken by
        # a signal that the kernel gives to another thread, such as one right after SIGCONT.
        units.work(bot.stop, 2)


if __name__ == "__main__":
    path, ahead, form = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    write_in_form(form)
    right = time.time
    time.time = lambda: right() + ahead
    _work(path)
