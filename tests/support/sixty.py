"""Sixty tags in four repositories, as a small team has them after a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from support.images import Image, make_image, make_index
from support.raw import push_raw
from support.servers import RealRegistry


def fill_with_sixty(registry: RealRegistry) -> None:
    """Releases, builds, pull requests, commits, nights; some signed, some for two platforms."""
    now = datetime.now(UTC)

    def put(repository: str, tag: str, days: int | None) -> Image:
        date = None if days is None else f"{now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
        image = make_image(created=date, labels={"of": f"{repository}:{tag}"})
        push_raw(registry, repository, tag, image)
        return image

    def sign(repository: str, image: Image) -> None:
        signature = make_image(created=None, labels={"signs": str(image.digest)})
        push_raw(registry, repository, f"sha256-{image.digest.hex}.sig", signature)

    for number in range(1, 21):
        build = put("team/app", f"build-{number}", 200 - 5 * number)
        if number in (1, 20):
            sign("team/app", build)
    for number in (0, 1, 2):
        both = {
            name: make_image(platform=name, labels={"v": str(number)})
            for name in ("linux/amd64", "linux/arm64")
        }
        index = make_index(both)
        push_raw(registry, "team/app", f"v1.{number}.0", index)
    push_raw(registry, "team/app", "latest", index)

    for number in range(1, 15):
        put("team/web", f"sha-{number:07x}", 100 - number)
    put("team/web", "pr-12", None)
    put("team/web", "main", 1)
    put("team/web", "stable", 300)

    for version in ("1.0-alpine", "1.1-alpine", "1.1", "2.0.0-rc.1", "2.0.0", "20250101"):
        put("team/db", version, 400)

    for day in range(1, 12):
        put("tools/ci", f"nightly-2026-01-{day:02}", 320 - day)
