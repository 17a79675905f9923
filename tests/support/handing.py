"""``regbot once --cluster`` for a run whose id is given, by a regbot that may be a newer one.

``python -m support.handing CONFIG RUN SCHEMA`` ends with 0 when all scripts were done. Units
are written in the form with the number SCHEMA.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.command import environment


@contextmanager
def handing_out_as(
    folder: Path, run: str, schema: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Who hands out ``bot.yml`` as the run with this id, and follows it; killed at the end."""
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                "-m",
                "support.handing",
                "bot.yml",
                run,
                str(schema or ""),
            ],
            cwd=folder,
            env=environment(folder, PYTHONPATH=str(Path(__file__).parents[1])),
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def write_in_form(schema: str) -> None:
    """Let this process write and read units in the form with this number, as another regbot."""
    from regbot.run import unitentries
    from regbot.run.cluster import units

    if schema:
        unitentries.SCHEMA = units.SCHEMA = int(schema)


def _hand_out(config_path: str, run: str) -> str:
    from regbot.cli.opening import read_config
    from regbot.cli.reading import compiler
    from regbot.events import ignore
    from regbot.run.bot import Options, assemble
    from regbot.run.cluster.opening import open_cluster
    from regbot.run.cluster.runs import run_in

    config, path = read_config(config_path, compiler()), str(Path(config_path).absolute())
    with (
        assemble(config, Options(), path, ignore) as bot,
        open_cluster(config, path, "the test") as cluster,
    ):
        return run_in(cluster, bot, "once", run).status


if __name__ == "__main__":
    path, run_id, form = sys.argv[1:]
    write_in_form(form)
    sys.exit(0 if _hand_out(path, run_id) == "done" else 1)
