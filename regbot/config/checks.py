"""Rules about several keys, checked on the tree so that all mistakes are reported together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from regbot.config.document import (
    Document,
    ListNode,
    MappingNode,
    Mark,
    Node,
    Problem,
    Scalar,
    shown,
)
from regbot.config.explain import unknown_script

_PAIR = (("clientCert", "clientKey"), ("clientKey", "clientCert"))
_WAYS = ("webhook", "apprise", "ping")
_OF_WAYS = {
    "when": ("webhook", "apprise"),
    "scripts": ("webhook", "apprise"),
    "template": ("webhook", "apprise"),
    "secret": ("webhook",),
    "script": ("ping",),
}
"""Keys of a notify entry that do not go with every way to tell somebody."""


def check(document: Document) -> Iterator[Problem]:
    """Problems that involve more than one value."""
    if not isinstance(document.root, MappingNode):
        return
    for creds in _mappings(document.root.get("creds")):
        yield from _certificate_pair(creds)
    first: dict[str, Mark] = {}
    for script in _mappings(document.root.get("scripts")):
        yield from _one_source(script)
        yield from _retention(document.root, script)
        yield from _unique_name(script, first)
    for entry in _mappings(document.root.get("sync")):
        yield from _unique_name(entry, first)
    for entry in _mappings(document.root.get("notify")):
        yield from _receiver(entry, first)


def _receiver(entry: MappingNode, scripts: Mapping[str, Mark]) -> Iterator[Problem]:
    """One way to tell somebody, with the keys that belong to it, about scripts that exist."""
    ways = [key for key in _WAYS if entry.get(key) is not None]
    if not ways:
        yield Problem(entry.mark, "a notify entry needs webhook, apprise or ping (add one)")
    elif len(ways) > 1:
        mark = max(entry.entries[key].key_mark for key in ways)
        yield Problem(mark, f"one entry can't have {' and '.join(ways)} (make an entry for each)")
    else:
        for key in sorted(_OF_WAYS.keys() & entry.entries.keys()):
            if ways[0] not in _OF_WAYS[key]:
                mark = entry.entries[key].key_mark
                yield Problem(mark, f"{ways[0]} takes no {key} (remove it)")
        if ways == ["ping"] and entry.get("script") is None:
            yield Problem(entry.entries["ping"].key_mark, "ping needs a script (add script: NAME)")
    listed = entry.get("scripts")
    names = listed.items if isinstance(listed, ListNode) else ()
    for name in (entry.get("script"), *names):
        if isinstance(name, Scalar) and name.text.strip() and name.text.strip() not in scripts:
            yield Problem(name.mark, unknown_script(name.text.strip(), scripts))


def _certificate_pair(creds: MappingNode) -> Iterator[Problem]:
    for key, other in _PAIR:
        if creds.get(key) is not None and creds.get(other) is None:
            yield Problem(creds.entries[key].key_mark, f"{key} without {other} (add {other})")


def _one_source(script: MappingNode) -> Iterator[Problem]:
    sources = [key for key in ("script", "file", "retention") if script.get(key) is not None]
    if len(sources) > 1:
        mark = max(script.entries[key].key_mark for key in sources)
        yield Problem(mark, f"a script can't have both {' and '.join(sources)} (remove one)")
    elif not any(_is_set(script, key) for key in sources):
        yield Problem(
            script.mark,
            "a script needs script, file or retention (add script: | and the Lua text)",
        )


def _retention(root: MappingNode, script: MappingNode) -> Iterator[Problem]:
    """What a policy needs beside itself, and what makes it one that keeps all or nothing."""
    policy = script.get("retention")
    if not isinstance(policy, MappingNode):
        yield from _repo_of_args(script)
        return
    mark = script.entries["retention"].key_mark
    if script.get("repositories") is None:
        yield Problem(mark, "retention needs repositories (add repositories: and a list)")
    rules = list(_mappings(policy.get("keep")))
    if "delete" in policy.entries and not list(_mappings(policy.get("delete"))):
        text = "delete names no tags, so every tag could go (add - tags: [...], or remove it)"
        yield Problem(policy.entries["delete"].key_mark, text)
    elif not rules and "delete" not in policy.entries:
        text = "retention without keep and delete would delete every tag (add rules under keep)"
        yield Problem(mark, text)
    for rule in rules:
        yield from _rule(root, script, rule)


def _repo_of_args(script: MappingNode) -> Iterator[Problem]:
    """``args.repo`` is set for each of the repositories."""
    args = script.get("args")
    if (
        script.get("repositories") is not None
        and isinstance(args, MappingNode)
        and args.get("repo")
    ):
        mark = args.entries["repo"].key_mark
        yield Problem(mark, "args.repo is set for each of repositories (remove it here)")


def _rule(root: MappingNode, script: MappingNode, rule: MappingNode) -> Iterator[Problem]:
    if not any(rule.get(key) is not None for key in rule.entries if not key.startswith("x-")):
        yield Problem(rule.mark, "a rule without conditions keeps every tag (add tags: [...])")
    defaults = root.get("defaults")
    places = (script, defaults) if isinstance(defaults, MappingNode) else (script,)
    if rule.get("inUse") is not None and not any(place.get("inUse") for place in places):
        mark = rule.entries["inUse"].key_mark
        yield Problem(mark, "inUse needs a list of where images run (remove the condition)")


def _is_set(script: MappingNode, key: str) -> bool:
    node = script.get(key)
    return node is not None and not (isinstance(node, Scalar) and not node.text.strip())


def _unique_name(script: MappingNode, first: dict[str, Mark]) -> Iterator[Problem]:
    name = script.get("name")
    if not isinstance(name, Scalar):
        return
    text = name.text.strip()
    seen = first.setdefault(text, name.mark)
    if text and seen != name.mark:
        yield Problem(
            name.mark,
            f"line {seen.line} has a script named {shown(text)} already"
            " (give this one another name)",
        )


def _mappings(node: Node | None) -> Iterator[MappingNode]:
    if isinstance(node, ListNode):
        yield from (item for item in node.items if isinstance(item, MappingNode))
