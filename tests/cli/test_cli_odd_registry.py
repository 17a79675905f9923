"""Whatever a registry answers, a run gives one clear line, exit 1, and loses nothing."""

import json

import pytest
from support.command import regbot
from support.registry import TestRegistry

CLEAN_UP = """
for _, name in ipairs(tag.ls(args.repo)) do
  image.config(args.repo .. ":" .. name)
  tag.delete(args.repo .. ":" .. name)
end
"""
WAYS = {
    "401": ({"kind": "status", "status": 401}, "401"),
    "403": ({"kind": "status", "status": 403, "code": "DENIED"}, "403"),
    "404": ({"kind": "status", "status": 404, "code": "NAME_UNKNOWN"}, "404"),
    "429": ({"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}, "429"),
    "500": ({"kind": "status", "status": 500}, "500"),
    "html": ({"kind": "html"}, "HTML"),
    "cut": ({"kind": "cut"}, "JSON"),
    "truncated": ({"kind": "truncate"}, "broke off"),
    "dropped": ({"kind": "drop"}, ""),
    "wrong content": ({"kind": "wrong content"}, ""),
}
PLACES = {"listing": "tags/list", "manifest": "/manifests/", "blob": "/blobs/"}
CASES = [
    (way, place)
    for way in WAYS
    for place in PLACES
    if (way, place) not in {("wrong content", "listing"), ("dropped", "blob")}
]


@pytest.mark.parametrize(("way", "place"), CASES)
def test_an_odd_answer_is_one_line_and_nothing_is_lost(tmp_path, way, place):
    fault, words = WAYS[way]
    with TestRegistry() as registry:
        for tag in ("a", "b", "c"):
            registry.put_image("app", tag, labels={"tag": tag})
        before = registry.tags("app")
        registry.break_next(path=PLACES[place], times=1000, **fault)
        config = {
            "creds": [{"registry": registry.host, "tls": "disabled"}],
            "defaults": {"timeout": "30s"},
            "scripts": [
                {"name": "clean", "script": CLEAN_UP, "args": {"repo": f"{registry.host}/app"}}
            ],
        }
        path = tmp_path / "bot.yml"
        path.write_text(json.dumps(config))
        done = regbot("once", "-c", str(path), home=tmp_path)
        assert done.returncode == 1, done.stderr
        failed = [line for line in done.stderr.splitlines() if "script failed" in line]
        assert len(failed) == 1
        told = "expected 230" if place == "blob" and way in ("html", "cut") else words
        assert told in failed[0]
        assert "clean:" in failed[0]
        assert "Traceback" not in done.stderr
        assert registry.tags("app") == before
