"""The options of scripts/bench, and the order of things."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from support.command import REGBOT
from support.servers import program

from benchmark.chart import chart
from benchmark.cluster import measure_cluster
from benchmark.growth import GROWING, grow
from benchmark.limits import limits
from benchmark.programs import Kind, Program, programs
from benchmark.results import Results, read_results
from benchmark.running import Runner
from benchmark.site import Sizes
from benchmark.sites import memory_site, real_site
from benchmark.work import DELETES, WORK, Work

QUICK = Sizes(tags=60, deletes=10, kept=10, mebibytes=64, repositories=20, tags_each=10)
PATIENCE = 60.0
"""Seconds of one kind of work at one delay, after which no other turn is begun."""
CHARTED = 20.0
"""The round trip that the chart shows, in ms."""
COUNTS = (1_000, 10_000, 100_000)
DELETES_TAGS = "distribution/v3"
"""In the version of a registry that deletes tags by name."""


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures regbot on a registry behind a delaying proxy.",
        epilog="cluster is measured at 20 ms alone, and needs PostgreSQL. "
        "REGBOT_PEER=/path/to/regbot is measured too, on the same YAML: the Go program. "
        "REGBOT_PEER_SYNC=/path/to/regsync is that of its project for copies. "
        "REGISTRY=/path/to/registry takes the place of docker-registry, and "
        "REGBOT=/path/to/regbot that of this checkout's regbot.",
    )
    names, growing = (",".join(work.name for work in works) for works in (WORK, GROWING))
    names += ",cluster"
    parser.add_argument("--quick", action="store_true", help="small counts, about two minutes")
    parser.add_argument("--growth", action="store_true", help="more and more tags instead")
    parser.add_argument("--only", default="", help=f"some of {names}; of growth: {growing}")
    parser.add_argument("--delays", default="", help="round trips in ms: 0,20,50")
    parser.add_argument("--runs", type=int, default=0, help="turns of each program: 3")
    parser.add_argument("--tags", default="", help="tags that are scanned: 1000")
    parser.add_argument("--deletes", type=int, default=0, help="tags that are deleted: 150")
    parser.add_argument("--repositories", type=int, default=0, help="that workers scan: 200")
    parser.add_argument("--mebibytes", type=int, default=0, help="size of a copy: 1024")
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="FOLDER",
        help="measure the .venv/bin/regbot of this checkout; may be given several times",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="also draw the table as SVG")
    parser.add_argument(
        "--from",
        dest="read",
        action="append",
        type=Path,
        metavar="FILE",
        help="measure nothing, read this JSON; may be given several times",
    )
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write."""
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = read_results(chosen.read) if chosen.read else measured(chosen)
    print(results.table())
    if chosen.json:
        results.write(chosen.json)
    if chosen.chart:
        chosen.chart.write_text(chart(results.rows, CHARTED))


def measured(chosen: argparse.Namespace) -> Results:
    """Everything that is wanted."""
    results = Results(machine(chosen.root))
    candidates = usable_programs(chosen.root, results)
    if chosen.growth:
        counts = [int(count) for count in chosen.tags.split(",")] if chosen.tags else COUNTS
        plain = [program for program in candidates if not program.defaults]
        grow(plain, counts, wanted(chosen, GROWING), results)
    else:
        measure_all(chosen, candidates, results)
    return results


def measure_all(
    chosen: argparse.Namespace, candidates: Sequence[Program], results: Results
) -> None:
    """Every kind of work that is wanted, at every delay."""
    usual = QUICK if chosen.quick else Sizes()
    sizes = Sizes(
        int(chosen.tags or usual.tags),
        chosen.deletes or usual.deletes,
        usual.kept,
        chosen.mebibytes or usual.mebibytes,
        chosen.repositories or usual.repositories,
        usual.tags_each,
    )
    delays = [float(delay) for delay in (chosen.delays or default_delays(chosen)).split(",")]
    runs = chosen.runs or (1 if chosen.quick else 3)
    works = wanted(chosen, WORK)
    names = {work.name for work in works}
    if works:
        with real_site(registry_binary(), sizes, names) as site:
            results.machine |= limits(site)
            runner = Runner(site, candidates, results, runs, PATIENCE)
            for work in works:
                for delay in delays[:1] if work.offline else delays:
                    runner.measure(work, delay)
    if not chosen.only or "cluster" in chosen.only.split(","):
        measure_cluster(registry_binary(), sizes, candidates, runs, results)
    if DELETES_TAGS in results.machine["registry"]:
        return
    with memory_site(sizes) as site:
        runner = Runner(site, candidates, results, runs, PATIENCE)
        for work in wanted(chosen, DELETES):
            for delay in delays:
                runner.measure(work, delay)


def wanted(chosen: argparse.Namespace, works: Sequence[Work]) -> list[Work]:
    """The kinds of work that were asked for, or all."""
    names = chosen.only.split(",") if chosen.only else [work.name for work in works]
    return [work for work in works if work.name in names]


def default_delays(chosen: argparse.Namespace) -> str:
    """The round trips that are measured unless others are asked for."""
    return "0,20" if chosen.quick else "0,20,50"


def usable_programs(roots: Sequence[str], results: Results) -> list[Program]:
    """The programs that accept their settings; the others are noted as left out."""
    others: dict[Kind, str] = {
        "peer": os.environ.get("REGBOT_PEER", ""),
        "regsync": os.environ.get("REGBOT_PEER_SYNC", ""),
        "skopeo": shutil.which("skopeo") or "",
    }
    usable = []
    with tempfile.TemporaryDirectory() as folder:
        for candidate in programs(executables(roots), others):
            refusal = candidate.refusal(Path(folder))
            if refusal:
                results.left_out.append(f"{candidate.name}: {refusal}")
            else:
                usable.append(candidate)
    return usable


def executables(roots: Sequence[str]) -> dict[str, str]:
    """The regbots to measure, by the names of their rows."""
    if roots:
        folders = [Path(root).absolute() for root in roots]
        return {folder.resolve().name: f"{folder}/.venv/bin/regbot" for folder in folders}
    return {"regbot": str(Path(os.environ.get("REGBOT", REGBOT)).absolute())}


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
