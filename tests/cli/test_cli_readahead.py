"""A whole run with read-ahead and cache does what it does without them, for fewer waits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import regbot
from support.images import make_image, make_index, make_referrer
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, Quirks, TestRegistry

CLEAN_UP = """
local repo = args.repo
for _, t in ipairs(tag.ls(repo)) do
  local ref = repo .. ":" .. t
  local ok, config = pcall(image.config, ref)
  if not ok then
    log("no config: " .. t)
  else
    local n = tonumber(config.Config.Labels.n)
    log(t .. " is " .. n)
    if n % 7 == 0 then tag.delete(ref) end
    if n == 10 then image.copy(ref, repo .. ":copied") end
  end
end
for _, t in ipairs(tag.ls(repo)) do
  local head = manifest.head(repo .. ":" .. t)
  log(t .. " on " .. head:descriptor().Digest .. " with " .. #referrer.ls(head))
end
log("exists: " .. tostring(manifest.exists(repo .. ":v07")))
"""

OFF = {"readahead": 0, "cache": False}
HOST = "images.example"


def fill(registry: TestRegistry) -> None:
    for number in range(30):
        image = make_image(labels={"n": str(number)})
        if number % 4 == 0:
            child = make_image(labels={"n": str(number)}, platform="linux/arm64")
            image = make_index({"linux/amd64": image, "linux/arm64": child})
        digest = registry.put("app", f"v{number:02}", image)
        if number % 5 == 0:
            registry.put("app", "", make_referrer(image.manifest))
        if number == 12:
            registry.tag("app", "stable", digest)
    lost = make_image(labels={"n": "99"})
    registry.put("app", "v15-lost", make_index({"linux/amd64": lost}))
    del registry.content.repository("app").manifests[str(lost.digest)]


def run(folder: Path, quirks: Quirks, *flags: str, **defaults: object) -> dict[str, object]:
    """What the script logged, what was done in whatever order, and the tags that are left."""
    with TestRegistry(quirks) as registry:
        fill(registry)
        config = {
            "creds": [{"registry": HOST, "hostname": registry.host, "tls": "disabled"}],
            "defaults": {"workDir": str(folder), **defaults},
            "scripts": [{"name": "a", "script": CLEAN_UP, "args": {"repo": f"{HOST}/app"}}],
        }
        (folder / "bot.yml").write_text(json.dumps(config))
        done = regbot("once", "-c", str(folder / "bot.yml"), *flags, home=folder)
        assert done.returncode == 0, done.stderr
        lines = [line.partition(" level=")[2] for line in done.stderr.splitlines()]
        lines = [line.partition(" run=")[0] for line in lines]
        lines = [line for line in lines if "seconds=" not in line] + done.stdout.splitlines()
        return {
            "logged": [line for line in lines if HOST not in line],
            "done": sorted(line for line in lines if HOST in line),
            "tags": registry.tags("app"),
        }


@pytest.mark.parametrize("flags", [(), ("--dry-run",)], ids=["live", "dry run"])
@pytest.mark.parametrize(
    "quirks", [DISTRIBUTION_2, DISTRIBUTION_3, Quirks()], ids=["2", "3", "referrers API"]
)
def test_the_results_are_the_same(tmp_path: Path, quirks: Quirks, flags: tuple[str, ...]) -> None:
    expected = run(tmp_path, quirks, *flags, **OFF)
    assert not (tmp_path / ".cache").exists()
    assert any("no config: v15-lost" in line for line in expected["logged"])
    for _ in ("first run", "second run"):
        assert run(tmp_path, quirks, *flags) == expected


BREAKS_OFF = """
for number, t in ipairs(tag.ls(args.repo)) do
  if number > 10 then break end
  image.config(args.repo .. ":" .. t)
end
log("broke off")
"""


def test_a_run_does_not_wait_for_what_it_no_longer_needs(tmp_path: Path) -> None:
    with TestRegistry(DISTRIBUTION_3) as registry:
        for number in range(30):
            registry.put_image("app", f"v{number:02}", labels={"n": str(number)})
        registry.break_next("stall", "GET", "/manifests/v(1[1-9]|2)", times=1000, seconds=600)
        config = {
            "creds": [{"registry": registry.host, "tls": "disabled", "reqConcurrent": 16}],
            "scripts": [
                {"name": "a", "script": BREAKS_OFF, "args": {"repo": f"{registry.host}/app"}},
            ],
        }
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        done = regbot("once", "-c", str(tmp_path / "bot.yml"), home=tmp_path)
        asked = [entry.path[-3:] for entry in registry.asked("GET", "/manifests/v")]
    assert done.returncode == 0, done.stderr
    assert 'msg="broke off"' in done.stderr
    assert 0 < len([tag for tag in asked if tag > "v10"]) <= 16
