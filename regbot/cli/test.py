"""test: runs tests of scripts, without a registry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_FAILED, EXIT_OK
from regbot.cli.main import EXIT_INTERRUPTED
from regbot.cli.options import OutputPath
from regbot.cli.output import note, show_text
from regbot.cli.signals import ask_on_signals
from regbot.errors import ConfigError, Stopped, UsageError

if TYPE_CHECKING:
    from regbot.testing.cases import Case
    from regbot.testing.results import Result


@click.command()
@click.argument("paths", nargs=-1, metavar="[DIR|FILE]...", type=click.Path(path_type=Path))
@click.option(
    "-k", "word", metavar="TEXT", default="", help="Only tests with this in their file or name."
)
@click.option(
    "-j",
    "at_once",
    metavar="N",
    type=click.IntRange(min=1),
    help="Tests at once (default: one for each processor).",
)
@click.option("--junit", metavar="FILE", type=OutputPath(), help="Write the results as JUnit XML.")
@click.option("--coverage", is_flag=True, help="Show which lines of the scripts ran.")
@click.option(
    "--update", is_flag=True, help="Write what happened into the tests as what is expected."
)
def test(
    paths: tuple[Path, ...],
    word: str,
    at_once: int | None,
    junit: Path | None,
    *,
    coverage: bool,
    update: bool,
) -> int:
    """Test scripts without a registry.

    \b
    regbot test                            # all tests in this folder
    regbot test -k nightly                 # those with this word in file or name
    regbot test --update                   # expect what happens now

    Runs the tests in the files called *_test.yml in the folders, by default in this one.
    A test says what a repository holds, which script runs, and what has to be deleted and
    kept. Nothing connects to a registry, and nothing is changed.

    Each test is repeated with less to go by: another order of the tags, dates missing, a
    listing cut short. It fails where more would be deleted then.
    """
    from regbot.stopping import Stop
    from regbot.testing.results import run_cases

    cases = _chosen(paths or (Path(),), word)
    stop = Stop()
    ask_on_signals(stop.ask)
    results = []
    try:
        for result in run_cases(
            cases, stop, at_once=at_once or os.cpu_count() or 1, covers=coverage
        ):
            results.append(result)
            _show(result)
    except Stopped as error:
        note(str(error))
        return EXIT_INTERRUPTED
    return _finish(results, junit, coverage=coverage, update=update)


def _chosen(paths: Sequence[Path], word: str) -> list[Case]:
    """The tests that were asked for. Raises ConfigError with the mistakes of all files."""
    from regbot.testing.cases import find_files, read_cases

    cases: list[Case] = []
    problems: list[str] = []
    for path in find_files(paths):
        try:
            cases += read_cases(path)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    chosen = [case for case in cases if word.lower() in f"{case.path}: {case.name}".lower()]
    if not chosen:
        raise UsageError(f"-k {word}: no test has this in its file or name")
    return chosen


def _show(result: Result) -> None:
    from regbot.report.shown import visible

    word = "ok  " if result.passed else "FAIL"
    name = f"{result.case.path}: {result.case.name}"
    lines = map(visible, [name, *result.problems])
    show_text(f"{word}  " + "\n      ".join(lines))


def _finish(results: Sequence[Result], junit: Path | None, *, coverage: bool, update: bool) -> int:
    from regbot.files import write_out
    from regbot.testing.coverage import coverage_lines, coverage_of
    from regbot.testing.junit import as_junit

    if junit:
        write_out(junit, as_junit(results))
    if coverage:
        show_text("\n".join(["", *coverage_lines(coverage_of(results))]))
    failed = sum(not result.passed for result in results)
    show_text(f"\n{len(results) - failed} passed, {failed} failed")
    if update:
        failed = _update(results)
    return EXIT_FAILED if failed else EXIT_OK


def _update(results: Sequence[Result]) -> int:
    """Rewrite the files of tests that differ. How many tests fail all the same.

    Raises ConfigError that says which files can't be.
    """
    from regbot.testing.update import update_file

    refusals: list[str] = []
    for path in dict.fromkeys(result.case.path for result in results):
        inside = [result for result in results if result.case.path == path]
        try:
            count = update_file(path, inside)
        except UsageError as error:
            refusals.append(str(error))
            continue
        if count:
            show_text(f"updated {path}: {count} test{'' if count == 1 else 's'}")
    if refusals:
        raise ConfigError(refusals)
    return sum(bool(result.worse or result.happened.strangers) for result in results)
