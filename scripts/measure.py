"""What scripts/bench runs: one line a figure, and what it is held against."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.clients import Client
from support.command import REGBOT, environment
from support.images import make_image, push
from support.memory import Measured, measure
from support.servers import docker_registry

MEBIBYTE = 1024 * 1024
LAYERS = 4
RUNS = 3


def main() -> None:
    """Measure, print, and fail where a bound of the project is broken."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    with tempfile.TemporaryDirectory() as folder:
        ratio, peak = copy_against_skopeo(Path(folder), size)
        start = start_against_python(Path(folder))
    print(f"copy of {size} MiB: {ratio:.2f} times skopeo's time (bound 1.30)")
    print(f"copy of {size} MiB: {peak / 1024:.0f} MiB at the peak (bound 150)")
    print(f"regbot version: {start:.1f} times the start of an empty Python")
    if ratio > 1.3 or peak > 150 * 1024:
        sys.exit("a bound is broken")


def copy_against_skopeo(folder: Path, size: int) -> tuple[float, int]:
    """The ratio of times, the median of pairs run in turn, and regbot's peak in KiB.

    Each copy goes to a new registry, since skopeo remembers what it sent where.
    """
    ratios, peaks = [], []
    with docker_registry(folder / "source") as source:
        with Client(source.host) as client:
            layers = [os.urandom(size * MEBIBYTE // LAYERS) for _ in range(LAYERS)]
            push(client.store("team/app"), make_image(layers=layers), "v1")
            del layers
        image = f"{source.host}/team/app:v1"
        for run in range(RUNS):
            theirs, _ = to_new_registry(folder / f"s{run}", lambda to: skopeo_copy(image, to))
            ours, used = to_new_registry(
                folder / f"r{run}", lambda to: regbot_copy(folder, image, to)
            )
            ratios.append(ours / theirs)
            peaks.append(used.kibibytes)
    return median(ratios), max(peaks)


def to_new_registry(
    folder: Path, command: Callable[[str], Sequence[str]]
) -> tuple[float, Measured]:
    """Seconds and memory of a command that copies to a registry of its own."""
    with docker_registry(folder) as target:
        begun = time.perf_counter()
        measured = measure(command(f"{target.host}/team/app:v1"), environment(folder))
        seconds = time.perf_counter() - begun
    if measured.code:
        sys.exit(measured.said)
    return seconds, measured


def skopeo_copy(image: str, to: str) -> list[str]:
    """The command that copies with skopeo."""
    flags = ["--all", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
    command = ["skopeo", "--insecure-policy", "copy", *flags]
    return [*command, f"docker://{image}", f"docker://{to}"]


def regbot_copy(folder: Path, image: str, to: str) -> list[str]:
    """The command that copies with regbot."""
    config = folder / "bot.yml"
    hosts = [name.partition("/")[0] for name in (image, to)]
    lines = "".join(f"  - {{registry: '{host}', tls: disabled}}\n" for host in hosts)
    config.write_text(f"creds:\n{lines}")
    text = f"image.copy('{image}', '{to}')"
    return [REGBOT, "run", "-e", text, "-c", str(config), "-v", "warn"]


def start_against_python(folder: Path) -> float:
    """How many times as long ``regbot version`` takes as a Python that does nothing."""

    def seconds(command: Sequence[str]) -> float:
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(folder))
            times.append(time.perf_counter() - begun)
        return median(times)

    return seconds([REGBOT, "version"]) / seconds([sys.executable, "-c", ""])


if __name__ == "__main__":
    main()
