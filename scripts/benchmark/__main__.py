"""The options of scripts/bench, and the order of things."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.command import REGBOT
from support.servers import docker_registry, program

from benchmark.network import delaying_proxy
from benchmark.programs import Program, programs
from benchmark.results import Results
from benchmark.running import Runner
from benchmark.site import Site, Sizes
from benchmark.work import WORK

QUICK = Sizes(tags=200, deletes=30, mebibytes=64)
BUDGET = 60.0
"""Seconds of one kind of work at one delay, after which no other turn is begun."""


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures regbot on a registry behind a delaying proxy.",
        epilog="REGBOT_PEER=/path/to/regbot is measured too, on the same YAML: the Go program. "
        "REGISTRY=/path/to/registry takes the place of docker-registry, and "
        "REGBOT=/path/to/regbot that of this checkout's regbot.",
    )
    names = ",".join(work.name for work in WORK)
    parser.add_argument("--quick", action="store_true", help="small counts, under two minutes")
    parser.add_argument("--only", default=names, help=f"some of {names}")
    parser.add_argument("--delays", default="", help="round trips in ms: 0,20,50")
    parser.add_argument("--runs", type=int, default=0, help="turns of each program: 3")
    parser.add_argument("--tags", type=int, default=0, help="tags that are scanned: 1000")
    parser.add_argument("--deletes", type=int, default=0, help="tags that are deleted: 150")
    parser.add_argument("--mebibytes", type=int, default=0, help="size of a copy: 1024")
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="FOLDER",
        help="measure the .venv/bin/regbot of this checkout; may be given several times",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table as JSON")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write."""
    chosen = options()
    usual = QUICK if chosen.quick else Sizes()
    sizes = Sizes(
        chosen.tags or usual.tags,
        chosen.deletes or usual.deletes,
        chosen.mebibytes or usual.mebibytes,
    )
    delays = chosen.delays or ("0,20" if chosen.quick else "0,20,50")
    wanted = chosen.only.split(",")
    results = Results(machine(chosen.root))
    with site(sizes) as place:
        usable = usable_programs(place, chosen.root, results)
        runner = Runner(place, usable, results, chosen.runs or (1 if chosen.quick else 3), BUDGET)
        scanned = place.new_repository(sizes.tags)
        for work in WORK:
            for delay in map(float, delays.split(",")):
                if work.name in wanted and not (delay and work.offline):
                    runner.measure(work, delay, scanned)
    print(results.table())
    if chosen.json:
        results.write(chosen.json)


@contextmanager
def site(sizes: Sizes) -> Iterator[Site]:
    """A registry and a proxy of its own, until the end of the block."""
    os.environ.setdefault("OTEL_TRACES_EXPORTER", "none")  # distribution 3 would look for one
    with (
        tempfile.TemporaryDirectory(prefix="regbot-bench-") as name,
        docker_registry(Path(name) / "registry", binary=registry_binary()) as registry,
        delaying_proxy(registry.host) as proxy,
    ):
        yield Site(Path(name), registry, proxy, sizes)


def usable_programs(place: Site, roots: Sequence[str], results: Results) -> list[Program]:
    """The programs that accept their settings; the others are noted as left out."""
    usable = []
    for candidate in programs(executables(roots), os.environ.get("REGBOT_PEER", "")):
        refusal = candidate.refusal(place.new_folder())
        if refusal:
            results.left_out.append(f"{candidate.name}: {refusal}")
        else:
            usable.append(candidate)
    return usable


def executables(roots: Sequence[str]) -> dict[str, str]:
    """The regbots to measure, by the names of their rows."""
    if roots:
        return {Path(root).resolve().name: f"{root}/.venv/bin/regbot" for root in roots}
    return {"regbot": os.environ.get("REGBOT", REGBOT)}


def registry_binary() -> str:
    """The registry's program."""
    return os.environ.get("REGISTRY", "") or program("docker-registry")


def machine(roots: Sequence[str]) -> dict[str, str]:
    """What the figures depend on."""
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    described = {
        "machine": f"{os.cpu_count()} cores, {platform.system()}, {platform.machine()}",
        "load before": f"{load} (1, 5 and 15 minutes)",
        "registry": " ".join(output_of([registry_binary(), "--version"]).split()[1:]),
    }
    for name, executable in executables(roots).items():
        described[name] = output_of([executable, "version"])
    return described


def output_of(command: Sequence[str]) -> str:
    """What a command prints, on one line."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return " ".join(done.stdout.split())


if __name__ == "__main__":
    main()
