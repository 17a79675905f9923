"""Writes the tables of keys and metrics in pages of docs/ from what the code says of each.

A table of keys stands between the lines <!-- keys of PLACE --> and <!-- end of keys -->. The place
leads to a section of a config, such as scripts.guard; that of a test file has "test" before.
That of metrics stands between <!-- metrics --> and <!-- end of metrics -->.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from regbot.config.schema import File
from regbot.config.section import Key, Section, sections
from regbot.serve.families import FAMILIES
from regbot.testing.schema import Suite

_METRICS = re.compile(r"(<!-- metrics -->\n).*?(<!-- end of metrics -->\n)", re.DOTALL)
_BLOCK = re.compile(
    r"(<!-- keys of (?P<test>test ?)?(?P<place>\S*) -->\n).*?(<!-- end of keys -->\n)", re.DOTALL
)


def filled(page: str, name: str) -> str:
    """A page with its tables written anew. Raises KeyError for a place that isn't there."""

    def table(match: re.Match[str]) -> str:
        place = tuple(filter(None, match["place"].split(".")))
        section = sections(Suite if match["test"] else File)[place]
        return f"{match[1]}{_table(section).replace(f']({name}#', '](#')}{match[4]}"

    return _METRICS.sub(rf"\1{_metrics()}\2", _BLOCK.sub(table, page))


def _metrics() -> str:
    rows = (
        f"| `{family.name}` | {', '.join(f'`{label}`' for label in family.labels)} |"
        f" {family.meaning} |\n"
        for family in FAMILIES
    )
    return "".join(["| metric | labels | meaning |\n", "|---|---|---|\n", *rows])


def _table(section: type[Section]) -> str:
    rows = (_row(alias, key) for alias, key in section.keys.items())
    return "".join(["| key | meaning |\n", "|---|---|\n", *rows])


def _row(alias: str, key: Key[object]) -> str:
    meaning = key.doc + (" Required." if key.required else "")
    if key.default is not None:
        default = str(key.default).lower() if isinstance(key.default, bool) else key.default
        meaning += f" Default: `{default}`."
    return f"| `{alias}` | {meaning} |\n"


def main() -> None:
    """Write the tables of the pages that are named."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(filled(path.read_text(), path.name))


if __name__ == "__main__":
    main()
