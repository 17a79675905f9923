"""Rules about several keys, checked on the tree so that all mistakes are reported together."""

from __future__ import annotations

from collections.abc import Iterator

from regbot.config.document import Document, Mapping, Mark, Node, Problem, Scalar, Sequence, shown

_PAIR = (("clientCert", "clientKey"), ("clientKey", "clientCert"))


def check(document: Document) -> Iterator[Problem]:
    """Problems that involve more than one value."""
    if not isinstance(document.root, Mapping):
        return
    for creds in _mappings(document.root.get("creds")):
        yield from _certificate_pair(creds)
    first: dict[str, Mark] = {}
    for script in _mappings(document.root.get("scripts")):
        yield from _one_source(script)
        yield from _unique_name(script, first)


def _certificate_pair(creds: Mapping) -> Iterator[Problem]:
    for key, other in _PAIR:
        if creds.get(key) is not None and creds.get(other) is None:
            yield Problem(creds.entries[key].key_mark, f"{key} without {other} (add {other})")


def _one_source(script: Mapping) -> Iterator[Problem]:
    if script.get("script") is not None and script.get("file") is not None:
        mark = max(script.entries[key].key_mark for key in ("script", "file"))
        yield Problem(mark, "a script can't have both script and file (remove one)")
    elif not (_is_set(script, "script") or _is_set(script, "file")):
        yield Problem(script.mark, "a script needs script or file (add script: | and the Lua text)")


def _is_set(script: Mapping, key: str) -> bool:
    node = script.get(key)
    return node is not None and not (isinstance(node, Scalar) and not node.text.strip())


def _unique_name(script: Mapping, first: dict[str, Mark]) -> Iterator[Problem]:
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


def _mappings(node: Node | None) -> Iterator[Mapping]:
    if isinstance(node, Sequence):
        yield from (item for item in node.items if isinstance(item, Mapping))
