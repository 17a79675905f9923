"""``regbot server`` as processes whose leases last three seconds.

``python -m support.quickserver ARGUMENTS`` is ``regbot ARGUMENTS``. Registries see
``test/server0``, ``test/server1`` and so on as its user agent.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from support.clusterworker import LEASE, TIMES
from support.command import environment


@contextmanager
def quick_servers(folder: Path, *arguments: str, count: int = 1) -> Iterator[list[Server]]:
    """So many servers of ``bot.yml``, which are killed at the end of the block."""
    begun = len(list(folder.glob("server*")))
    servers = [Server(folder, f"server{begun + number}", arguments) for number in range(count)]
    try:
        yield servers
    finally:
        for server in servers:
            server.kill()
            server.wait()


class Server(subprocess.Popen[bytes]):
    """A server; what it tells is in the file ``log``, and ``agent`` is what registries see."""

    def __init__(self, folder: Path, name: str, arguments: tuple[str, ...]) -> None:
        self.log = folder / name
        self.agent = f"test/{name}"
        with self.log.open("w") as stderr:
            super().__init__(
                [
                    *(sys.executable, "-W", "error", "-m", "support.quickserver", "server"),
                    *("-c", "bot.yml", "--user-agent", self.agent, *arguments),
                ],
                cwd=folder,
                env=environment(folder, PYTHONPATH=str(Path(__file__).parents[1])),
                stdin=subprocess.DEVNULL,
                stderr=stderr,
            )


def _serve() -> None:
    from regbot.cli.main import main
    from regbot.journal import shared
    from regbot.run.cluster import opening

    shared.SharedState = partial(shared.SharedState, seconds=LEASE)
    opening.open_worker = partial(opening.open_worker, times=TIMES)
    main()


if __name__ == "__main__":
    _serve()
