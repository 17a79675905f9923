"""One script over many repositories: in one process, by one worker, and by two.

The repositories are copies of one in the registry's storage, and each tag is asked for by one
HEAD. A worker does one unit at a time and reads a few tags ahead: it mostly waits for answers,
as with a registry far away, and two of them can be measured on a machine that has the
registry, the proxy and the database on the same few processors.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest
from support.command import environment
from support.postgres import postgres

from benchmark.measuring import CommandError, Cost, begun, cost_of
from benchmark.programs import WORKERS, Program
from benchmark.results import Results
from benchmark.running import Runner
from benchmark.site import Site, Sizes, Trial
from benchmark.sites import real_site
from benchmark.work import Costs, Work

FOLDER = "many"
DELAY = 20.0
"""The round trip that this is measured at, in ms."""
AHEAD = 8
"""Tags that are read ahead."""
PATIENCE = 60.0
"""Seconds after which no further turn is begun, and in which workers have to be ready."""
STORAGE = "storage/docker/registry/v2/repositories"
"""Where docker-registry keeps repositories; of their images these are links."""
STAT = Path("/proc/stat")

NOTHING = "local nothing = nil"
HEADS = """
local count = 0
for _, name in ipairs(tag.ls(args.repo)) do
  manifest.head(args.repo .. ":" .. name)
  count = count + 1
end
if count ~= {tags} then error("asked for " .. count .. " tags of {tags}") end
"""


def heads_in(sizes: Sizes) -> str:
    """The name of the rows of what asks for each tag."""
    return f"HEAD of {sizes.tags_each} tags in {sizes.repositories} repositories"


def nothing_in(sizes: Sizes) -> str:
    """The name of the rows where nothing is done."""
    return f"nothing in {sizes.repositories} repositories"


def measure_cluster(
    binary: str, sizes: Sizes, programs: Sequence[Program], runs: int, results: Results
) -> None:
    """Add the rows, and what they say of workers."""
    with ExitStack() as ending:
        try:
            server = ending.enter_context(postgres())
        except pytest.skip.Exception as reason:
            results.left_out.append(f"cluster: {reason}")
            return
        site = ending.enter_context(real_site(binary, replace(sizes, tags=1), ()))
        fill_many(site)
        comparison = Comparison(replace(site, database=server.database))
        work = Work("cluster", comparison.measure, frozenset({"cluster"}))
        Runner(comparison.site, programs, results, runs, PATIENCE).measure(work, DELAY)
    results.notes += comparison.notes(programs, results)


def fill_many(site: Site) -> None:
    """Make the repositories."""
    first, *others = (f"{FOLDER}/app{number:03}" for number in range(site.sizes.repositories))
    site.fill(site.registry.host, first, site.sizes.tags_each)
    storage = site.registry.folder / STORAGE
    for name in others:
        shutil.copytree(storage / first, storage / name)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same work alone and by workers; ``busy`` are the processors in the HEADs."""

    site: Site
    busy: dict[str, float] = field(default_factory=dict)

    def measure(self, trial: Trial) -> Costs:
        """A HEAD of each tag, and a script that does nothing at each repository."""
        sizes = self.site.sizes
        before = processors()
        heads = at_each(trial, HEADS.format(tags=sizes.tags_each))
        busy, total = (now - then for now, then in zip(processors(), before, strict=True))
        self.busy[trial.program.name] = busy / total if total else 0.0
        return {heads_in(sizes): heads, nothing_in(sizes): at_each(trial, NOTHING)}

    def notes(self, programs: Sequence[Program], results: Results) -> Iterator[str]:
        """What a unit takes beyond its work, and what a second worker saves."""
        walls = {(row.work, row.program): row.cost.wall for row in results.rows}
        heads, nothing = heads_in(self.site.sizes), nothing_in(self.site.sizes)
        for program in programs:
            name, _, how = program.name.rpartition(", ")
            alone, by_one, by_two = (f"{name}, {each}" for each in WORKERS)
            if how != WORKERS[-1] or (heads, by_two) not in walls or (heads, by_one) not in walls:
                continue
            more = walls[nothing, by_one] - walls[nothing, alone]
            unit = 1000 * more / self.site.sizes.repositories
            part = walls[heads, by_two] / walls[heads, by_one]
            yield f"{name}: a unit takes {unit:.1f} ms more than the same in one process"
            yield (
                f"{name}: two workers need {part:.2f} of the time of one for the HEADs; the"
                f" processors of this machine were {self.busy[by_two]:.0%} busy, with one worker"
                f" {self.busy[by_one]:.0%}"
            )


def at_each(trial: Trial, script: str) -> Cost:
    """Run a script at each of the repositories; processor time is that of the workers, too."""
    database = trial.site.database
    assert database is not None
    where = {"registry": trial.site.line.host, "match": [f"{FOLDER}/*"]}
    if not trial.program.workers:
        config = trial.config(script, repositories=where, readahead=AHEAD)
        return trial.run("once", "-c", config, "-v", "warn")
    with database() as url, ExitStack() as ending:
        config = trial.config(script, repositories=where, readahead=AHEAD, state=url)
        command = [trial.program.executable, "worker", "-c", str(config), "--concurrency", "1"]
        workers = [
            ending.enter_context(begun(command, environment(trial.home), trial.home))
            for _ in range(trial.program.workers)
        ]
        wait_for(len(workers), url)
        cost = trial.run("once", "--cluster", "-c", config, "-v", "warn")
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        all_costs = [cost, *map(cost_of, workers)]
    return replace(
        cost,
        cpu=sum(each.cpu for each in all_costs),
        peak=max(each.peak for each in all_costs),
    )


def wait_for(workers: int, url: str) -> None:
    """Wait until so many workers wait for units. Raises CommandError."""
    give_up = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < give_up:
            with suppress(psycopg.errors.UndefinedTable):
                query = "SELECT count(*) FROM regbot.procrastinate_workers"
                if connection.execute(query).fetchone() == (workers,):
                    return
            time.sleep(0.05)
    raise CommandError(f"{workers} workers were not ready within {PATIENCE:g} s")


def processors() -> tuple[float, float]:
    """Ticks of all processors since the machine began, those at work and all of them."""
    if not STAT.exists():
        return 0.0, 0.0
    ticks = [float(text) for text in STAT.read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)
