"""A script over 10,000 tags works, and stays under 150 MiB."""

import json

import pytest
from support.command import REGBOT, environment
from support.images import make_image, push
from support.memory import measure
from support.registry import TestRegistry

from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore

TAGS = 10_000
LIMIT = 150 * 1024
SCRIPT = """
local kept, gone = 0, 0
for _, name in ipairs(tag.ls(args.repo)) do
  local number = tonumber(name:match("^t(%d+)$"))
  if number % 20 == 0 then
    local m = manifest.get(args.repo .. ":" .. name)
    assert(#m.Layers == 1)
  end
  if number < args.below then
    tag.delete(args.repo .. ":" .. name)
    gone = gone + 1
  else
    kept = kept + 1
  end
end
assert(#tag.ls(args.repo) == (args.dry and kept + gone or kept))
log("gone " .. gone .. " kept " .. kept)
"""


@pytest.fixture
def in_memory():
    with TestRegistry(page_size=1000) as registry:
        digest = registry.put_image("app", "t00000")
        for number in range(1, TAGS):
            registry.tag("app", f"t{number:05}", digest)
        yield f"{registry.host}/app", lambda: len(registry.content.repository("app").tags)


@pytest.fixture
def folder(tmp_path):
    reference = Reference.parse(f"ocidir://{tmp_path}/layout")
    store = OciDirStore(reference)
    push(store, make_image(), "t00000")
    index = tmp_path / "layout" / "index.json"
    data = json.loads(index.read_text())
    entry = data["manifests"][0]
    name = "org.opencontainers.image.ref.name"
    data["manifests"] = [
        {**entry, "annotations": {**entry["annotations"], name: f"t{number:05}"}}
        for number in range(TAGS)
    ]
    index.write_text(json.dumps(data))
    return str(reference.without_name), lambda: len(OciDirStore(reference).tags())


@pytest.mark.parametrize("place", ["in_memory", "folder"])
@pytest.mark.parametrize("below", [0, 400])
def test_ten_thousand_tags(request, tmp_path, place, below):
    repository, count = request.getfixturevalue(place)
    arguments = {"repo": repository, "below": below, "dry": False}
    config = {
        "defaults": {"workDir": str(tmp_path)},
        "creds": [{"registry": repository.partition("/")[0], "tls": "disabled"}]
        if place == "in_memory"
        else [],
        "scripts": [{"name": "a", "script": SCRIPT, "args": arguments}],
    }
    path = tmp_path / "bot.yml"
    path.write_text(json.dumps(config))
    measured = measure([REGBOT, "once", "-c", str(path), "-v", "warn"], environment(tmp_path))
    assert measured.code == 0, measured.said
    assert count() == TAGS - below
    assert measured.kibibytes < LIMIT
