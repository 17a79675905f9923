"""How time and memory grow with the number of tags, in a registry and in a layout folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.filling import MANIFEST, digest_of, image_config, image_manifest, layers_of, tag_name
from benchmark.measuring import CommandError
from benchmark.programs import Program
from benchmark.results import Results
from benchmark.running import Runner
from benchmark.site import Trial
from benchmark.sites import growing_sites
from benchmark.work import BOTH, DELETE, LIST, SCAN, Costs, Work, delete, listing, once, scan

LAYOUT = "layout"
PATIENCE = 30.0
"""Seconds of one run, after which it is not measured with ten times the tags."""


def grow(
    programs: Sequence[Program], counts: Sequence[int], works: Sequence[Work], results: Results
) -> None:
    """Add the rows of each count and kind of work, in which every program runs once."""
    failed: set[tuple[str, str]] = set()
    slow: dict[tuple[str, str], float] = {}
    with growing_sites(counts) as sites:
        for site in sites:
            runner = Runner(site, programs, results, 1, PATIENCE, failed, slow)
            for work in works:
                runner.measure(work, 0)


def delete_most(trial: Trial) -> Costs:
    """Nine of ten tags of a registry."""
    sizes = trial.site.sizes
    most = replace(sizes, deletes=sizes.tags - sizes.deletes, kept=sizes.deletes)
    return delete(replace(trial, site=replace(trial.site, sizes=most)))


def layout_listing(trial: Trial) -> Costs:
    """The tags of a layout folder."""
    tags = trial.site.sizes.tags
    return in_layout(trial, f"list {tags} tags", LIST.format(repository=ocidir(), tags=tags))


def layout_scan(trial: Trial) -> Costs:
    """The image config of each tag of a layout folder."""
    tags = trial.site.sizes.tags
    return in_layout(trial, f"scan {tags} tags", SCAN.format(repository=ocidir(), tags=tags))


def layout_delete(trial: Trial) -> Costs:
    """Nine of ten tags of a layout folder."""
    tags = trial.site.sizes.tags
    count = tags * 9 // 10
    script = DELETE.format(repository=ocidir(), first_kept=tag_name(count))
    costs = in_layout(trial, f"delete {count} of {tags} tags", script)
    left = len(json.loads((trial.home / LAYOUT / "index.json").read_text())["manifests"])
    if left != tags - count:
        raise CommandError(f"{left} tags are left, and not {tags - count}")
    return costs


def in_layout(trial: Trial, what: str, script: str) -> Costs:
    """Run a script beside a layout folder with ``sizes.tags`` images."""
    write_layout(trial.home / LAYOUT, trial.site.sizes.tags)
    return {f"{what} of a layout folder": once(trial, script)}


def ocidir() -> str:
    """The reference of the layout folder, from the folder that programs run in."""
    return f"ocidir://{LAYOUT}"


def write_layout(folder: Path, count: int) -> None:
    """Write a layout folder with ``count`` images."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def write(content: bytes) -> str:
        digest = digest_of(content)
        (blobs / digest.partition(":")[2]).write_bytes(content)
        return digest

    entries = []
    for number in range(count):
        for content in (image_config(number), *layers_of(number)):
            write(content)
        manifest = image_manifest(number)
        entries.append(
            {
                "mediaType": MANIFEST,
                "digest": write(manifest),
                "size": len(manifest),
                "annotations": {"org.opencontainers.image.ref.name": tag_name(number)},
            }
        )
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


GROWING = (
    Work("list", listing, BOTH),
    Work("scan", scan, BOTH),
    Work("delete", delete, BOTH),
    Work("delete most", delete_most, BOTH),
    Work("list in a layout folder", layout_listing, BOTH),
    Work("scan in a layout folder", layout_scan),
    Work("delete in a layout folder", layout_delete),
)
"""The Go program needs minutes to scan 10,000 tags of a layout folder, or to delete 300."""
