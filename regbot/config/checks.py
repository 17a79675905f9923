"""Rules between keys, checked on the tree itself so that they count beside other mistakes."""

from __future__ import annotations

from collections.abc import Iterator

from regbot.config.document import Document, Mapping, Mark, Node, Problem, Scalar, Sequence, shown

_PAIR = (("clientCert", "clientKey"), ("clientKey", "clientCert"))


def check(document: Document) -> Iterator[Problem]:
    """Everything wrong that no single value shows."""
    if not isinstance(document.root, Mapping):
        return
    for creds in _mappings(document.root.get("creds")):
        yield from _certificate_pair(creds)
    first: dict[str, Mark] = {}
    for script in _mappings(document.root.get("scripts")):
        yield from _one_source(script)
        yield from _own_name(script, first)


def _certificate_pair(creds: Mapping) -> Iterator[Problem]:
    for one, other in _PAIR:
        if creds.get(one) is not None and creds.get(other) is None:
            yield Problem(creds.entries[one].key_mark, f"{one} without {other} (add {other})")


def _one_source(script: Mapping) -> Iterator[Problem]:
    if script.get("script") is not None and script.get("file") is not None:
        mark = max(script.entries[key].key_mark for key in ("script", "file"))
        yield Problem(mark, "a script has script or file, not both (remove one)")
    elif not (_says_something(script, "script") or _says_something(script, "file")):
        yield Problem(script.mark, "a script needs script or file (add script: | and the Lua text)")


def _says_something(script: Mapping, key: str) -> bool:
    node = script.get(key)
    return node is not None and not (isinstance(node, Scalar) and not node.text.strip())


def _own_name(script: Mapping, first: dict[str, Mark]) -> Iterator[Problem]:
    name = script.get("name")
    if not isinstance(name, Scalar):
        return
    text = name.text.strip()
    seen = first.setdefault(text, name.mark)
    if text and seen != name.mark:
        yield Problem(
            name.mark,
            f"a script named {shown(text)} is at line {seen.line} already (give it its own name)",
        )


def _mappings(node: Node | None) -> Iterator[Mapping]:
    if isinstance(node, Sequence):
        yield from (item for item in node.items if isinstance(item, Mapping))
