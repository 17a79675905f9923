"""Where work is measured: a registry, the way to it, and folders."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.command import environment
from support.servers import RealRegistry

from benchmark.filling import fill
from benchmark.measuring import Cost, measure
from benchmark.network import DelayingProxy
from benchmark.programs import Program


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything: tags that are scanned, tags that are deleted, MiB copied."""

    tags: int = 1000
    deletes: int = 150
    mebibytes: int = 1024


@dataclass(frozen=True, slots=True)
class Site:
    """A registry that is filled directly, and asked through the proxy."""

    folder: Path
    registry: RealRegistry
    proxy: DelayingProxy
    sizes: Sizes
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_folder(self) -> Path:
        """An empty folder that nothing else uses."""
        folder = self.folder / f"{next(self.numbers)}"
        folder.mkdir()
        return folder

    def new_repository(self, tags: int) -> str:
        """The reference of a new repository with so many tags."""
        repository = f"team/app{next(self.numbers)}"
        fill(self.registry.host, repository, tags)
        return f"{self.proxy.host}/{repository}"

    def count_tags(self, repository: str) -> int:
        """How many tags a repository has, asked of the registry directly."""
        path = repository.partition("/")[2]
        _, _, body = self.registry.raw("GET", f"/v2/{path}/tags/list?n=1000000")
        return len(json.loads(body).get("tags") or [])


@dataclass(frozen=True, slots=True)
class Trial:
    """A program at a site, with a home that only its trials of one kind of work share."""

    site: Site
    program: Program
    home: Path

    def config(self, script: str, **settings: object) -> Path:
        """A config for a script; see ``Program.write_config``."""
        path = self.home / "regbot.yml"
        return self.program.write_config(path, [self.site.proxy.host], script, **settings)

    def run(self, *arguments: str | Path) -> Cost:
        """Run the program and count what it asks for. Raises CommandError when it fails."""
        self.site.proxy.requests()
        command = [self.program.executable, *map(str, arguments)]
        cost = measure(command, environment(self.home), self.home)
        return Cost(cost.wall, cost.cpu, cost.peak, self.site.proxy.requests())
