"""A repository as years of work leave it: what the deleting examples are run on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from support.images import Image, make_image, make_index
from support.raw import push_raw
from support.servers import RealRegistry

CREATED = "org.opencontainers.image.created"
TESTS = "org.example.tests"
NOBODY = "sha256-" + "0" * 64
"""What the signatures of an image that is gone are called."""


def fill_with_work(registry: RealRegistry, repository: str) -> None:
    """Builds, pull requests, releases, signatures; several tags on one digest, an index."""
    now = datetime.now(UTC)

    def put(tag: str, days: int | None, label: int | None = None, **how: Any) -> Image:
        """``days`` ago by the config, ``label`` days ago by the label, or the same."""
        labels = {"tag": tag, **how}
        if days is not None:
            labels[CREATED] = _date(now, days if label is None else label)
        image = make_image(created=_date(now, days) if days is not None else None, labels=labels)
        push_raw(registry, repository, tag, image)
        return image

    newest = put("build-001", 1)
    put("build-010", 10, **{TESTS: "failed"})
    for tag in ("build-029", "build-029-a", "build-029-b"):
        put(tag, 29, **({TESTS: "ok"} if tag == "build-029" else {}))
    put("build-031", 31, **{TESTS: "ok"})
    push_raw(registry, repository, "in-production", put("build-090", 90, **{TESTS: "ok"}))
    put("build-again", 60, 5)
    put("build-undated", None)
    epoch = make_image(created="1970-01-01T00:00:00Z")
    push_raw(registry, repository, "build-epoch", epoch)

    for tag, days in {"pr-7": 30, "pr-7-fix": 20, "pr-8": 30, "pr-8-2": 2, "pr-70": 1}.items():
        put(tag, days)
    put("pr-9", 40)
    put("pr-9-2", None)

    for version in ("1.2.0", "1.9.0", "1.10.0", "1.10.1", "2.0.0", "2.1.0", "10.0.0"):
        put(f"v{version}", 400)
    put("v2.1.0-rc.1", 400)
    put("v01.0.0", 400)
    both = {
        name: make_image(platform=name, labels={"v": "11"})
        for name in ("linux/amd64", "linux/arm64")
    }
    push_raw(registry, repository, "v11.0.0", make_index(both))

    untagged = make_image(labels={"untagged": "yes"})
    push_raw(registry, repository, "", untagged)
    for signed in (newest, untagged, both["linux/arm64"]):
        signature = make_image(created=None, labels={"signs": str(signed.digest)})
        push_raw(registry, repository, f"sha256-{signed.digest.hex}.sig", signature)
    for kind in ("sig", "att", "other"):
        left = make_image(created=None, labels={"left": kind})
        push_raw(registry, repository, f"{NOBODY}.{kind}", left)


def _date(now: datetime, days: int) -> str:
    return (now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
