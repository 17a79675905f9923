"""Whatever a script does: read-ahead, the cache and parallel.map change no result.

Each script runs twice, on two registries that have the same content and the same faults:
once with everything on, and once with all of it off.
``REGBOT_EXAMPLES`` sets how many scripts are tried.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.images import make_image, make_index
from support.inprocess import Memory
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, GITEA, Fault, Quirks

from regbot.config.values import Script
from regbot.events import ignore
from regbot.lua.flavours import available_flavours
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.plan.outcome import Outcomes
from regbot.run.job import run_script
from regbot.run.services import Services
from regbot.stopping import Stop
from regbot.store.cache_folder import CacheFolder
from regbot.store.views import Reading

EXAMPLES = int(os.environ.get("REGBOT_EXAMPLES", "20"))
TAGS = [f"v{number}.0{end}" for number in (1, 2, 3, 9, 10, 11) for end in ("", "-rc1")]
IMAGES = [make_image(labels={"n": str(number)}) for number in range(5)]
INDEX = make_index({"linux/amd64": IMAGES[0], "linux/arm64": IMAGES[1]})
CONTENTS = [*IMAGES, INDEX]
REGISTRIES = {
    "deletes by name": DISTRIBUTION_3,
    "deletes by placeholder": DISTRIBUTION_2,
    "last tag takes manifest": GITEA,
}

BEGINNING = """
local repo, trace = args.repo, {}
local function ref(name) return repo .. ":" .. name end
local function each(list, work)
  local results = {}
  for position, item in ipairs(list) do results[position] = work(item, position) end
  return results
end
local function listed(order, ending)
  local names = {}
  for _, name in ipairs(tag.ls(repo)) do
    if not ending or name:sub(-#ending) == ending then table.insert(names, name) end
  end
  if order == "down" then table.sort(names, function(a, b) return a > b end) end
  return names
end
local reads = {
  head = function(name) return manifest.head(ref(name)).digest end,
  manifest = function(name) return manifest.get(ref(name)).digest end,
  config = function(name) return image.config(ref(name)).Config.Labels.n end,
  both = function(name)
    return manifest.head(ref(name)).digest .. image.config(ref(name)).Config.Labels.n
  end,
}
local writes = {
  nothing = function() end,
  delete = function(name) tag.delete(ref(name)) end,
  retag = function(name) manifest.put(manifest.get(ref("kept")), ref(name)) end,
}
"""


@dataclass(frozen=True)
class Part:
    """One walk of a script over the tags."""

    order: str
    ending: str
    read: str
    write: str
    every: int
    mapped: bool
    caught: bool

    def text(self, *, with_map: bool, in_order: bool) -> str:
        """As Lua. A write in ``parallel.map`` is caught: else it is not known what is begun.

        ``in_order``: what a delete does depends on those before it.
        """
        over = "parallel.map" if self.mapped and with_map else "each"
        ending = f'"{self.ending}"' if self.ending else "nil"
        options = ", {workers = 1}" if over != "each" and in_order else ""
        caught = self.caught or (self.mapped and self.write != "nothing")
        work = f"""
            local found = reads.{self.read}(name)
            if position % {self.every} == 0 then writes.{self.write}(name) end
            return found"""
        if caught:
            work = f"""
            local _, found = pcall(function() {work} end)
            return found"""
        return f"""
            for _, found in ipairs({over}(listed("{self.order}", {ending}),
              function(name, position) {work} end{options})) do
              table.insert(trace, tostring(found))
            end"""


@dataclass(frozen=True)
class Trouble:
    """A tag that can't be read, or a request for it that fails once."""

    kind: str
    tag: str

    def plan(self, memory: Memory) -> None:
        path = f"/manifests/{self.tag.replace('.', '[.]')}$"
        if self.kind == "refused":
            fault = Fault("status", path=path, status=403, times=100_000)
        elif self.kind == "dropped":
            fault = Fault("drop", path=path)
        else:
            fault = Fault("status", path=path, status=503)
        memory.registry.faults.plan(fault)


def told(
    parts: list[Part], troubles: list[Trouble], quirks: Quirks, flavour: str, *, fast: bool
) -> Any:
    """What a run of the script shows to a user: result, outcomes, and what it leaves.

    An error tells the request that failed, and the cache may ask by HEAD.
    """
    memory = Memory(quirks, rate_limit=quirks.rate_limit)
    for number, tag in enumerate(TAGS):
        memory.registry.put(memory.repository, tag, CONTENTS[number % len(CONTENTS)])
    memory.registry.put(memory.repository, "kept", IMAGES[4])
    for trouble in troubles:
        trouble.plan(memory)
    body = "".join(part.text(with_map=fast, in_order=quirks.last_tag) for part in parts)
    script = Script(
        name="walks",
        text=f"{BEGINNING}{body}\nreturn trace".encode(),
        chunk_name="walks",
        args={"repo": f"{memory.name}/{memory.repository}"},
    )
    with TemporaryDirectory() as folder:
        cache = CacheFolder(Path(folder), 1024 * 1024) if fast else None
        services = Services(
            bind=memory.bind,
            emit=ignore,
            outcomes=Outcomes(),
            environment={},
            flavour=flavour,
            blob_limit=DEFAULT_BLOB_LIMIT,
            reading=Reading(8 if fast else 0, cache),
        )
        result = run_script(script, services, Stop())
        if cache:
            cache.close()
    outcomes = sorted(
        (str(outcome.action.reference), outcome.action.verb, outcome.status, str(outcome.digest))
        for outcome in services.outcomes.all
    )
    return (
        result.status,
        [[text.replace(" GET ", " HEAD ") for text in value] for value in result.value],
        outcomes,
        memory.registry.tags(memory.repository),
    )


parts = st.builds(
    Part,
    order=st.sampled_from(("up", "down")),
    ending=st.sampled_from(("", "", "-rc1")),
    read=st.sampled_from(("head", "manifest", "config", "both")),
    write=st.sampled_from(("nothing", "nothing", "delete", "retag")),
    every=st.integers(1, 3),
    mapped=st.booleans(),
    caught=st.booleans(),
)
troubles = st.builds(
    Trouble,
    kind=st.sampled_from(("refused", "dropped", "unavailable")),
    tag=st.sampled_from(TAGS),
)


@pytest.mark.parametrize("flavour", available_flavours())
@settings(max_examples=EXAMPLES)
@given(
    st.lists(parts, min_size=1, max_size=3),
    st.lists(troubles, max_size=3, unique_by=lambda trouble: trouble.tag),
    st.sampled_from(sorted(REGISTRIES)),
    st.sampled_from((0, 1_000_000)),
)
def test_everything_on_is_as_everything_off(
    flavour: str, walks: list[Part], others: list[Trouble], registry: str, rate_limit: int
) -> None:
    quirks = replace(REGISTRIES[registry], rate_limit=rate_limit)
    plain = told(walks, others, quirks, flavour, fast=False)
    assert told(walks, others, quirks, flavour, fast=True) == plain
