"""Has the Lua in a config read, and places what is found in it in the YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from regbot.config.document import Document, ListNode, MappingNode, Problem, Scalar
from regbot.config.values import Script
from regbot.lua.finding import LuaText, Reader
from regbot.sync.rules import Sync
from regbot.values import dataclass

Text = tuple[LuaText, Scalar | None, str]
"""A script, with its place: in the config, or in a file of its own."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found: mistakes in the config's file and in others, and what is warned of."""

    problems: tuple[Problem, ...] = ()
    elsewhere: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def problems_of(self, document: Document, before: Iterable[Problem] = ()) -> tuple[str, ...]:
        """All mistakes, with those that were found ``before`` in the config."""
        here = document.error([*before, *self.problems])
        return (*here.problems, *self.elsewhere)


def texts_of(document: Document, scripts: Sequence[Script]) -> Iterator[Text]:
    """The scripts of a valid config, and the syncs that clean up.

    What is found of a script with rules is placed at its name, of a sync at its source.
    """
    numbers = {"scripts": count(), "sync": count()}
    for script in scripts:
        is_sync = isinstance(script.work, Sync)
        place = "sync" if is_sync else "scripts"
        number = next(numbers[place])
        if isinstance(script.work, Sync) and not script.work.cleanup:
            continue
        key = "source" if is_sync else "name" if script.work else "script"
        _, node = document.find((place, number, key))
        scalar = node if isinstance(node, Scalar) and not node.is_null else None
        text = LuaText(
            script.text,
            script.lua_path,
            guarded=script.guard.is_set or not script.enabled,
            enabled=script.enabled,
            by_rules=script.work is not None,
            name=script.name,
        )
        yield text, scalar, script.chunk_name


def texts_in(document: Document) -> Iterator[Text]:
    """The scripts written in a config that has mistakes, for what can be said of them alone."""
    root = document.root
    scripts = root.get("scripts") if isinstance(root, MappingNode) else None
    for script in scripts.items if isinstance(scripts, ListNode) else ():
        scalar = script.get("script") if isinstance(script, MappingNode) else None
        if isinstance(scalar, Scalar):
            yield LuaText(scalar.text.encode("utf-8", "replace")), scalar, ""


def read_texts(document: Document, texts: Iterable[Text], reader: Reader) -> Findings:
    """Have scripts read."""
    problems: dict[bool, list[Problem]] = {False: [], True: []}
    lines: dict[bool, list[str]] = {False: [], True: []}
    for text, scalar, file in texts:
        for finding in reader(text):
            if scalar and not finding.file:
                mark = document.place(scalar, finding.offset)
                problems[finding.is_warning].append(Problem(mark, finding.text))
            else:
                place = f"{finding.file or file}:{finding.line}:{finding.column}"
                lines[finding.is_warning].append(f"{place}: {finding.text}")
    warnings = (document.line(problem) for problem in sorted(set(problems[True])))
    return Findings(
        tuple(problems[False]),
        tuple(dict.fromkeys(lines[False])),
        (*warnings, *dict.fromkeys(lines[True])),
    )
