"""A dry run tells the truth, and a plan that is applied ends where the script would have.

Random scripts as Lua text, each run three times over equal content: directly, as a dry
run, and as its plan, which is written to a file, read again and applied.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.archives import layout, make_tar
from support.clients import Client
from support.configs import load
from support.images import make_image, make_index, make_referrer
from support.registry import DISTRIBUTION_3, TestRegistry

from regbot.events import ignore
from regbot.journal.slot import JournalSettings
from regbot.lua.flavours import preferred_flavour
from regbot.plan.carrying import planned_from
from regbot.plan.outcome import Outcomes
from regbot.plan.planfile import Plan, read_plan, write_plan
from regbot.run.bot import Bot
from regbot.run.services import Services
from regbot.stopping import Stop
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores

PLAIN = make_image(labels={"n": "1"})
OTHER = make_image(labels={"n": "2"}, docker=True)
CHILD = make_image(platform="linux/arm64")
INDEX = make_index({"linux/amd64": PLAIN, "linux/arm64": CHILD})
SECOND = make_index({"linux/arm64": CHILD, "linux/s390x": make_image(platform="linux/s390x")})
IMAGES = {"plain": PLAIN, "other": OTHER, "child": CHILD, "index": INDEX, "second": SECOND}
SIGNATURES = (make_referrer(PLAIN.manifest), make_referrer(INDEX.manifest))
ANCHOR = make_image(created="1999-01-01T00:00:00Z")
"""Never changed: registries differ in what is left of a repository without manifests."""
IMPORTED = make_image(labels={"from": "an archive"})

REPOSITORIES = ("app", "lib")
TAGS = ("a", "b", "c", "d")

PREAMBLE = """
local app, lib, results = args.app, args.lib, {}
local function step(fn)
  local ok, value = pcall(fn)
  results[#results + 1] = {ok, ok and value or false}
end
local function own(list)
  local kept = {}
  for _, name in ipairs(list) do
    if not name:match("^sha256%-") then kept[#kept + 1] = name end
  end
  return kept
end
local function digests(list)
  local found = {}
  for _, entry in ipairs(list) do found[#found + 1] = entry.digest end
  table.sort(found)
  return found
end
"""


def _steps() -> st.SearchStrategy[str]:
    """One step of a script: something that is read or changed, and what it gives."""
    repo = st.sampled_from(REPOSITORIES)
    ref = st.builds("{} .. ':{}'".format, repo, st.sampled_from(TAGS))
    image = st.sampled_from(list(IMAGES.values()))
    at = st.builds(lambda repo, image: f"{repo} .. '@{image.digest}'", repo, image)
    name = ref | at
    text = st.sampled_from(("some text", "other text"))
    switches = st.sampled_from(
        ("{}", "{children = true}", "{referrers = true}", "{children = true, referrers = true}")
    )
    reads = (
        st.builds("return own(tag.ls({}))".format, repo),
        st.builds("return own(tag.ls({}, {{limit = 2, last = 'a'}}))".format, repo),
        st.builds("return manifest.head({}):descriptor().digest".format, name),
        st.builds("return tostring(manifest.getList({}))".format, name),
        st.builds("return tostring(image.config({}, 'linux/arm64'))".format, name),
        st.builds("return manifest.exists({})".format, name),
        st.builds("return image.size({})".format, name),
        st.builds("return digests(referrer.ls({}))".format, name),
        st.builds(
            "local digest = manifest.getList({}).config.digest\n"
            "return blob.get({}, digest):content()".format,
            ref,
            repo,
        ),
    )
    changes = (
        st.builds("tag.delete({})".format, ref),
        st.builds("tag.delete({})".format, ref),
        st.builds("manifest.getList({}):delete()".format, name),
        st.builds("manifest.delete({}, {{unlessTagged = true}})".format, name),
        st.builds("image.copy({}, {})".format, name, ref),
        st.builds("image.copy({}, {}, {{referrers = true}})".format, name, ref),
        st.builds("image.copy({}, {}, {{platforms = {{'linux/arm64'}}}})".format, name, ref),
        st.builds("return manifest.getList({}):put({})".format, ref, ref),
        st.builds(
            "local m = manifest.getList({})\n"
            "m.annotations = {{by = 'me'}}\n"
            "return m:export():put({})".format,
            ref,
            ref,
        ),
        st.builds("return blob.put({}, '{}')".format, repo, text),
        st.builds(
            "local digest = manifest.getList({}).layers[1].digest\n"
            "return blob.put({}, blob.get({}, digest))".format,
            ref,
            repo,
            repo,
        ),
        st.builds("image.delete({}, {})".format, ref, switches),
        st.builds("image.importTar({}, 'given.tar')".format, ref),
    )
    return st.one_of(*reads, *changes)


def script_of(steps: list[str]) -> str:
    return (
        PREAMBLE
        + "".join(f"step(function()\n{indent(own, '  ')}\nend)\n" for own in steps)
        + "for _, repo in ipairs({app, lib}) do\n"
        "  for _, name in ipairs(own(tag.ls(repo))) do\n"
        "    step(function() return name .. manifest.head(repo .. ':' .. name).digest end)\n"
        "  end\n"
        "end\n"
        "return results\n"
    )


contents = st.dictionaries(
    st.tuples(st.sampled_from(REPOSITORIES), st.sampled_from(TAGS)),
    st.sampled_from(list(IMAGES)),
    min_size=2,
)


@dataclass
class Lab:
    """A registry for all examples; each run has its repositories below a name of its own."""

    registry: TestRegistry
    client: Client
    folder: Path
    numbers: itertools.count[int]

    def fresh(self, content: Mapping[tuple[str, str], str]) -> str:
        """Fill new repositories; the name they are below."""
        below = f"run{next(self.numbers)}"
        for repo in REPOSITORIES:
            self.registry.put(f"{below}/{repo}", "keep", ANCHOR)
        for (repo, tag), name in content.items():
            image = IMAGES[name]
            self.registry.put(f"{below}/{repo}", tag, image)
            for signature in SIGNATURES:
                if signature.manifest.subject.digest == image.digest:
                    self.registry.put(f"{below}/{repo}", "", signature)
        return below

    def bot(self, below: str, script: str, *, dry_run: bool) -> Bot:
        args = {repo: f"{self.registry.host}/{below}/{repo}" for repo in REPOSITORIES}
        config = load("scripts: [{name: random, script: return, timeout: 60s}]", base=self.folder)
        own = replace(config.scripts[0], text=script.encode(), args=args, work_dir=self.folder)
        config = replace(config, scripts=(own,))
        stop = Stop()
        bind: Callable[..., Any] = self.client.bound
        overlay = OverlayStores(OpenStores(bind(stop), stop=stop)) if dry_run else None
        services = Services(
            bind=bind,
            emit=ignore,
            outcomes=Outcomes(),
            environment={},
            flavour=preferred_flavour(),
            blob_limit=1_000_000,
            dry_run=dry_run,
            evidence=dry_run,
            overlay=overlay,
        )
        journal = JournalSettings(self.folder / "state", 3600.0, "bot.yml", config.fingerprint)
        return Bot(config, services, stop, journal)

    def run(self, below: str, script: str, *, dry_run: bool = False) -> tuple[Any, Bot]:
        """What the script returned, without the name the repositories are below."""
        bot = self.bot(below, script, dry_run=dry_run)
        (result,) = bot.run_once().results
        assert (result.status, result.error) == ("done", "")
        return result.value, bot

    def kept(self, below: str) -> dict[str, Any]:
        """All that the registry has of a run's repositories."""
        return {
            repo: {
                "tags": dict(self.registry.tags(f"{below}/{repo}")),
                "manifests": set(self.registry.manifests(f"{below}/{repo}")),
                "blobs": set(self.registry.blobs(f"{below}/{repo}")),
            }
            for repo in REPOSITORIES
        }


@pytest.fixture(scope="module")
def lab():
    quirks = replace(DISTRIBUTION_3, checks_references=False, referrers_api=True)
    with (
        TemporaryDirectory() as folder,
        TestRegistry(quirks) as registry,
        Client(registry.host) as client,
    ):
        make_tar(Path(folder) / "given.tar", layout(("v1", IMPORTED)))
        yield Lab(registry, client, Path(folder), itertools.count())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(content=contents, steps=st.lists(_steps(), min_size=3, max_size=12))
def test_a_dry_run_reads_and_a_plan_ends_as_the_script_does(lab, content, steps):
    script = script_of(steps)
    direct, planned = lab.fresh(content), lab.fresh(content)
    untouched = lab.kept(planned)
    before = len(lab.registry.requests)
    foretold, dry = lab.run(planned, script, dry_run=True)
    sent = lab.registry.requests[before:]
    assert {request.method for request in sent} <= {"GET", "HEAD"}
    assert lab.kept(planned) == untouched

    said, _ = lab.run(direct, script)
    assert foretold == said

    path = lab.folder / "plan.json"
    actions = tuple(planned_from(dry.outcomes))
    write_plan(Plan(0.0, "", actions), path, lab.folder)
    bot = lab.bot(planned, "return", dry_run=False)
    again = read_plan(str(path), work_dir=lab.folder)
    bot.apply(again.actions)
    assert [outcome for outcome in bot.outcomes if outcome.status != "done"] == []
    assert lab.kept(planned) == lab.kept(direct)
