"""Writes reports to files, in the format that the file's suffix names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from regbot.errors import UsageError
from regbot.files import write_out
from regbot.report.model import Report

SUFFIXES = (".json", ".html", ".md", ".csv")


def check_suffix(path: Path) -> None:
    """Raise UsageError for a file whose suffix names no format."""
    if path.suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise UsageError(f"{path}: the suffix of a report has to be one of {known}")


def write_reports(report: Report, paths: Sequence[Path]) -> None:
    """Write the report to every path, each file completely or not at all.

    The suffixes have been checked. Raises StorageError.
    """
    for path in paths:
        content = _form(path)(report).encode("utf-8", "backslashreplace")
        write_out(path, content)


def _form(path: Path) -> Callable[[Report], str]:
    match path.suffix.lower():
        case ".html":
            from regbot.report.as_html import as_html

            return as_html
        case ".md":
            from regbot.report.as_markdown import as_markdown

            return as_markdown
        case ".csv":
            from regbot.report.as_csv import as_csv

            return as_csv
        case _:
            from regbot.report.as_json import as_json

            return as_json
