"""Where work is measured: a registry, the line to it, and folders."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from support.command import environment
from support.servers import RealRegistry

from benchmark.filling import fill
from benchmark.measuring import Cost, measure
from benchmark.programs import Program

PAGE = 1000
"""Tags that are asked for at once; a registry may give no more."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything.

    Tags that are scanned; tags that are deleted from a repository, and that it keeps; MiB
    that are copied; repositories that many workers scan, and the tags of each.
    """

    tags: int = 1000
    deletes: int = 150
    kept: int = 50
    mebibytes: int = 1024
    repositories: int = 200
    tags_each: int = 100


class Line(Protocol):
    """The way to a registry: where it begins, and what went along it."""

    @property
    def host(self) -> str:
        """host:port that a program asks."""

    def delay(self, milliseconds: float) -> None:
        """Set the round trip."""

    def requests(self) -> Mapping[str, int]:
        """Requests by method since the last call."""


@dataclass(frozen=True, slots=True)
class Site:
    """A registry that is filled directly, and asked over a line.

    ``scanned`` is a repository with ``sizes.tags`` tags, ``large`` one with an image of
    ``sizes.mebibytes``, ``shared`` one with images that share layers and have as much together;
    nothing changes them. ``binary`` is the registry's program, ``database`` opens an empty one
    in PostgreSQL, and ``note`` is added to the names of rows. ``fill`` puts so many images into
    a repository of a host.
    """

    folder: Path
    registry: RealRegistry
    line: Line
    sizes: Sizes
    scanned: str = ""
    large: str = ""
    shared: str = ""
    binary: str = ""
    database: Callable[[], AbstractContextManager[str]] | None = None
    note: str = ""
    fill: Callable[[str, str, int], None] = fill
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_folder(self) -> Path:
        """An empty folder that nothing else uses."""
        folder = self.folder / f"{next(self.numbers)}"
        folder.mkdir()
        return folder

    def new_repository(self, tags: int) -> str:
        """A new repository with so many tags."""
        repository = f"team/app{next(self.numbers)}"
        self.fill(self.registry.host, repository, tags)
        return repository

    def count_tags(self, repository: str) -> int:
        """How many tags a repository has, asked of the registry directly."""
        count, last = 0, ""
        while True:
            target = f"/v2/{repository}/tags/list?n={PAGE}&last={last}"
            names = json.loads(self.registry.raw("GET", target)[2]).get("tags") or []
            count += len(names)
            if len(names) < PAGE:
                return count
            last = names[-1]


@dataclass(frozen=True, slots=True)
class Trial:
    """A program at a site over a line of ``delay`` ms, with an empty home."""

    site: Site
    program: Program
    home: Path
    delay: float

    def config(self, script: str, **settings: object) -> Path:
        """A config for a script; see ``Program.write_config``."""
        path = self.home / "regbot.yml"
        return self.program.write_config(path, [self.site.line.host], script, **settings)

    def run(self, *arguments: str | Path) -> Cost:
        """Run the program and count what it asks for. Raises CommandError when it fails."""
        self.site.line.requests()
        command = [self.program.executable, *map(str, arguments)]
        cost = measure(command, environment(self.home), self.home)
        return Cost(cost.wall, cost.cpu, cost.peak, self.site.line.requests())
