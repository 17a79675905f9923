"""The files that ``regbot init`` writes: a commented config, and a test of its rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from math import ceil
from textwrap import wrap

from regbot.oci.reference import Reference
from regbot.proposal.kinds import Kind, Series
from regbot.proposal.look import Count, Inventory
from regbot.values import dataclass

_NEWEST = 10
_YOUNG = "30d"
_USUAL = (Series("build-", "number"), Series("pr-", "number"))
_MOST_SERIES = 10
_TESTED = 2
_RELEASES = "regex:v?[0-9]+[.][0-9]+[^:/]*"
"""Of tags alone: a pattern without the end could fit a registry such as 127.0.0.1:5000."""
_LEAST_PERCENT = 50
_NO_TEXTS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What YAML takes for something else where it stands without quotes."""
_KIND_WORDS: dict[Kind, str] = {
    "release": "release",
    "build": "build",
    "moving": "moving tag",
    "other": "other tag",
    "signature": "signature",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How the registry is reached.

    ``login`` is where its login is: ``stored``, ``environment``, or empty for nowhere.
    """

    registry: str
    tls: str = ""
    login: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed for these repositories. ``inventories`` are of those looked at.

    ``counts`` is what the rules would do with each of those now. ``left_out`` is how many
    other repositories there are at least.
    """

    access: Access
    repositories: tuple[Reference, ...]
    inventories: tuple[Inventory, ...] = ()
    counts: tuple[Count, ...] = ()
    left_out: int = 0
    date: str = ""

    @property
    def series(self) -> tuple[Series, ...]:
        """The series of builds that may be deleted: the longest, or the usual ones."""
        sizes: dict[Series, int] = {}
        for inventory in self.inventories:
            for series, size in inventory.series.items():
                sizes[series] = sizes.get(series, 0) + size
        longest = sorted(sizes, key=lambda each: (-sizes[each], each.prefix))[:_MOST_SERIES]
        return tuple(longest) or _USUAL

    @property
    def kept(self) -> int:
        """How many tags would be kept."""
        return sum(count.kept for count in self.counts)

    @property
    def deleted(self) -> int:
        """How many tags would be deleted."""
        return sum(count.deleted for count in self.counts)

    @property
    def moving(self) -> tuple[str, ...]:
        """Tags without a number: latest, and the first others."""
        names = {tag for inventory in self.inventories for tag in inventory.kinds.get("moving", ())}
        return ("latest", *sorted(names - {"latest"}))[:_MOST_SERIES]


def config_page(proposal: Proposal) -> str:
    """The config."""
    lines = [
        "# yaml-language-server: $schema=regbot.schema.json",
        "# A start, to be changed as you like. It deletes nothing until you run it:",
        "# `regbot plan` shows what it would do, `regbot once` does it.",
        "version: 1",
        "",
        *_creds(proposal.access),
        "",
        *_defaults(proposal),
        "",
        "scripts:",
        "  - name: old builds",
        *_seen(proposal),
        "    repositories:",
        *(f"      - {quoted(str(repository))}" for repository in proposal.repositories),
        *_others(proposal),
        *_retention(proposal),
    ]
    return "\n".join(lines) + "\n"


def creds_page(access: Access) -> str:
    """A config with the credentials alone."""
    return "\n".join(_creds(access))


def _creds(access: Access) -> Iterator[str]:
    yield "creds:"
    yield f"  - registry: {quoted(access.registry)}"
    if access.tls:
        yield f"    tls: {access.tls}"
    if access.login == "stored":
        yield f"    # The login is stored, see: regbot registry whoami {access.registry}"
    elif access.login == "environment":
        yield "    user: '{{env \"REGISTRY_USER\"}}'"
        yield "    pass: '{{env \"REGISTRY_PASSWORD\"}}'"
    else:
        yield "    # If it needs a login: run"
        yield f"    #   regbot registry login {access.registry}"
        yield "    # or set the two variables, and remove the # in front of these lines."
        yield "    # user: '{{env \"REGISTRY_USER\"}}'"
        yield "    # pass: '{{env \"REGISTRY_PASSWORD\"}}'"


def _defaults(proposal: Proposal) -> Iterator[str]:
    worst = max((count.percent for count in proposal.counts), default=0)
    percent = min(100, max(_LEAST_PERCENT, 10 * ceil(worst / 10)))
    left = (count.kept for count in proposal.counts if count.deleted)
    protect = ", ".join([*map(quoted, proposal.moving), quoted(_RELEASES)])
    yield "defaults:"
    yield "  timeout: 30m"
    yield '  schedule: "5 2 * * *"        # for `regbot server`: every night at 2:05'
    yield "  # A run that would delete more than this stops before it deletes anything."
    yield "  guard:"
    why = f"; now it would be {worst:.0f} at most" if proposal.counts else ""
    yield f"    maxDeletePercent: {percent}       # of the tags of a repository{why}"
    yield f"    keepAtLeast: {min([3, *left])}             # tags of each repository"
    yield f"    protect: [{protect}]"


def _seen(proposal: Proposal) -> Iterator[str]:
    if not proposal.inventories:
        yield "    # Name your repositories here."
        return
    yield f"    # What was there on {proposal.date}:"
    for inventory in proposal.inventories:
        parts = [
            _counted(len(tags), _KIND_WORDS[kind], f" such as {tags[-1]}" * (kind != "signature"))
            for kind in _KIND_WORDS
            if (tags := inventory.kinds.get(kind))
        ]
        platforms = "; some for several platforms" if inventory.has_indexes else ""
        yield f"    #   {inventory.repository.repository}: {', '.join(parts)}{platforms}"


def _others(proposal: Proposal) -> Iterator[str]:
    if proposal.left_out:
        yield f"      # {proposal.left_out} more were not looked at. All of the registry would be:"
        yield f"      # - registry: {proposal.access.registry}"


def _counted(number: int, word: str, example: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}{example}"


def _retention(proposal: Proposal) -> Iterator[str]:
    yield "    retention:"
    if proposal.counts:
        total = proposal.kept + proposal.deleted
        yield f"      # Of {total} tags this would keep {proposal.kept} now:"
        for inventory, count in zip(proposal.inventories, proposal.counts, strict=True):
            name, whole = inventory.repository.repository, count.kept + count.deleted
            yield f"      #   {name}: {count.kept} of {whole}"
    yield "      # A tag is kept if one of these rules holds for it."
    yield "      keep:"
    yield f"        - newer: {{than: {_YOUNG}}}"
    for series in proposal.series:
        yield f"        - tags: [{quoted(series.pattern)}]"
        yield f"          newest: {{count: {_NEWEST}}}"
    yield "      # Only these tags may be deleted. All others stay: releases, latest, the rest."
    if proposal.inventories and not any(inventory.series for inventory in proposal.inventories):
        yield "      # No tag there looks like a build, so this fits none; write what may go."
    yield "      delete:"
    yield "        - tags:"
    yield from (f"            - {quoted(series.pattern)}" for series in proposal.series)


def test_page(proposal: Proposal) -> str:
    """A test of the config's rules, on made-up images."""
    first, *others = proposal.repositories
    tags = {"latest": "400d", "v1.0.0": "400d"}
    old: list[str] = []
    kept = ["latest", "v1.0.0"]
    for series in proposal.series[:_TESTED]:
        builds = [series.tag(number) for number in range(1, _NEWEST + 6)]
        ages = ["3d", "unknown", *(f"{100 + number}d" for number in range(len(builds) - 2))]
        tags |= dict(zip(builds, ages, strict=True))
        kept += [*builds[:2], builds[_NEWEST]]
        old += builds[_NEWEST + 1 :]
    lines = [
        "# yaml-language-server: $schema=regbot-test.schema.json",
        "# Run it with: regbot test. It asks no registry; the images here are made up.",
        "version: 1",
        "config: regbot.yml",
        "",
        "repositories:",
        f"  {quoted(str(first))}:",
        "    tags:                   # each with the age of its image",
        *(f"      {quoted(tag)}: {age}" for tag, age in tags.items()),
        *(f"  {quoted(str(other))}: {{tags: [latest]}}" for other in others),
        "",
        "tests:",
        f"  - name: of the old builds the newest {_NEWEST} stay, and so does all that is no build",
        "    expect:",
        *_list("deleted", old),
        *_list("kept", kept),
    ]
    return "\n".join(lines) + "\n"


def _list(key: str, tags: Sequence[str]) -> list[str]:
    text = f"{key}: [{', '.join(map(quoted, tags))}]"
    return wrap(
        text,
        98,
        initial_indent=" " * 6,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )


def quoted(text: str) -> str:
    """A text as YAML: as it is where that is safe, else between quotes."""
    is_plain = re.fullmatch(r"[A-Za-z0-9_./-]+(?::[0-9A-Za-z_./-]+)*", text)
    if is_plain and text.lower() not in _NO_TEXTS:
        return text
    return json.dumps(text) if "'" in text else f"'{text}'"
