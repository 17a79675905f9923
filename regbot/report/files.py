"""Reports as files, the form chosen by the file's suffix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from regbot.errors import UsageError
from regbot.files import write_out, writing
from regbot.report.model import Report

SUFFIXES = (".json", ".html", ".md", ".csv")


def check_report_paths(paths: Sequence[Path]) -> None:
    """Raise UsageError for the first path that no report could be written to.

    To be asked before a run, so that its report is not lost at the end.
    """
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"--report {path}: the suffix is one of {', '.join(SUFFIXES)}")
        try:
            if path.is_dir():
                raise UsageError(f"--report {path}: this is a folder")
            if not path.resolve().parent.is_dir():
                raise UsageError(f"--report {path}: there is no folder {path.parent}")
        except (OSError, ValueError) as error:
            raise UsageError(f"--report {path}: {error}") from None


def write_reports(report: Report, paths: Sequence[Path]) -> None:
    """Write the report to every path, each file as a whole or not at all.

    Raises UsageError for an unknown suffix and StorageError.
    """
    check_report_paths(paths)
    for path in paths:
        content = _form(path)(report).encode("utf-8", "backslashreplace")
        with writing(path):
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
