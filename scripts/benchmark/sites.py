"""Opens the sites: the real registry, and the one in the tests' memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.registry import TestRegistry
from support.registry.presets import DISTRIBUTION_3
from support.servers import RealRegistry, docker_registry

from benchmark.copying import put_large_image
from benchmark.filling import MANIFEST, fill, image_config, image_manifest, layers_of, tag_name
from benchmark.network import delaying_proxy
from benchmark.site import Site, Sizes
from benchmark.syncing import put_images

SCANNED = "team/scanned"
LARGE = "team/large"
SHARED = "team/shared"


@contextmanager
def real_site(binary: str, sizes: Sizes, wanted: Collection[str]) -> Iterator[Site]:
    """A real registry behind a proxy, with what the wanted work needs."""
    os.environ.setdefault("OTEL_TRACES_EXPORTER", "none")  # or distribution 3 looks for one
    with (
        tempfile.TemporaryDirectory(prefix="regbot-bench-") as name,
        docker_registry(Path(name) / "registry", binary=binary) as registry,
        delaying_proxy(registry.host) as proxy,
    ):
        fill(registry.host, SCANNED, sizes.tags)
        if "copy" in wanted:
            put_large_image(registry.host, LARGE, sizes.mebibytes)
        if "sync" in wanted:
            put_images(registry.host, SHARED, sizes.mebibytes)
        yield Site(Path(name), registry, proxy, sizes, SCANNED, LARGE, SHARED, binary)


@contextmanager
def memory_site(sizes: Sizes) -> Iterator[Site]:
    """The tests' registry that behaves as distribution 3 does, behind a proxy."""
    with (
        tempfile.TemporaryDirectory(prefix="regbot-bench-") as name,
        TestRegistry(DISTRIBUTION_3) as registry,
        delaying_proxy(registry.host) as proxy,
    ):
        real = RealRegistry(registry.host, Path(name))
        yield Site(Path(name), real, proxy, sizes, note=" in a registry of Python")


@contextmanager
def growing_sites(counts: Iterable[int]) -> Iterator[Iterator[Site]]:
    """The tests' registry with more tags each time, filled in memory and asked directly."""
    with (
        tempfile.TemporaryDirectory(prefix="regbot-bench-") as name,
        TestRegistry(DISTRIBUTION_3) as registry,
    ):

        def fill_memory(_host: str, repository: str, count: int) -> None:
            for number in range(count):
                for content in (image_config(number), *layers_of(number)):
                    registry.put_blob(repository, content)
                manifest = image_manifest(number)
                registry.put_raw(repository, tag_name(number), manifest, MANIFEST)

        def sites() -> Iterator[Site]:
            real, line = RealRegistry(registry.host, Path(name)), DirectLine(registry)
            for count in counts:
                sizes = Sizes(tags=count, deletes=count // 10, kept=count - count // 10)
                scanned = f"{SCANNED}{count}"
                fill_memory("", scanned, count)
                folder = Path(name) / f"of{count}"
                folder.mkdir()
                yield Site(folder, real, line, sizes, scanned, fill=fill_memory)

        yield sites()


@dataclass(frozen=True, slots=True)
class DirectLine:
    """No proxy: the tests' registry counts by itself, and there is no delay."""

    registry: TestRegistry

    @property
    def host(self) -> str:
        """host:port of the registry."""
        host: str = self.registry.host
        return host

    def delay(self, milliseconds: float) -> None:
        """Only 0 is taken."""
        if milliseconds:
            raise ValueError("a direct line has no delay")

    def requests(self) -> Mapping[str, int]:
        """Requests by method since the last call."""
        counted: dict[str, int] = {}
        for logged in self.registry.requests:
            counted[logged.method] = counted.get(logged.method, 0) + 1
        self.registry.forget()
        return counted
