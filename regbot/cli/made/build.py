"""Makes a command of a function: its arguments, its options, its help, and its run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from regbot.cli.made.running import run_made
from regbot.cli.made.signature import Signature, sentence, shown_name
from regbot.cli.made.table import Family, Made
from regbot.cli.options import dry_run_option, optional_config_option, settings_options

if TYPE_CHECKING:
    from regbot.cli.options import Settings

_file = click.option(
    "-f", "--file", default="", metavar="FILE", help="Read it from a file, not standard input."
)
_media_type = click.option(
    *("-t", "--content-type"), default="", metavar="TYPE", help="Its media type, if it names none."
)
_output = click.option(
    *("-o", "--output", "folder"),
    type=click.Path(exists=True, file_okay=False),
    metavar="FOLDER",
    help="Write each file to this folder, by its name.",
)
_full = click.option("--full", is_flag=True, help="Print full names, as other commands take them.")
_dereference = click.option(
    "--force-tag-dereference", is_flag=True, help="Take the digest that a tag is on."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_format = click.option(
    "--format", "template", default="", metavar="TEMPLATE", help="Print '{{.Field}}' of the result."
)


def command_of(family: Family, made: Made) -> click.Command:
    """The command that calls a function."""
    signature = Signature.of(made)
    name = f"{family.name} {made.name}"

    def run(words: tuple[str, ...], settings: Settings, **given: Any) -> int:  # noqa: ANN401
        return run_made(signature, name, words, settings, given)

    doc = made.doc or signature.binding.doc
    command = click.command(
        made.name, help=_help(name, doc, signature), short_help=_first_sentence(doc)
    )(_with_options(run, signature))
    words = click.Argument(["words"], nargs=-1, metavar=signature.usage)
    command.params[:0] = [words, *signature.click_options()]
    return command


def _with_options(run: Callable[..., int], signature: Signature) -> Callable[..., int | None]:
    """Add the options that are not the function's own."""
    made = signature.made
    options: dict[Callable[..., Any], bool] = {
        partial(settings_options, level="warn"): True,
        optional_config_option: True,
        _format: signature.prints,
        _json: signature.prints,
        dry_run_option: signature.binding.changes,
        _dereference: made.by_digest,
        _full: bool(made.joint),
        _media_type: made.content == "manifest",
        _file: bool(made.content) and not made.content_unless,
        _output: made.form == "files",
    }
    command: Callable[..., Any] = run
    for option, is_wanted in options.items():
        command = option(command) if is_wanted else command
    return command


def _help(name: str, doc: str, signature: Signature) -> str:
    """What it does, examples, and what is to be known besides."""
    first = _first_sentence(doc)
    rest = doc.removeprefix(first).strip()
    calls = signature.made.calls(name.partition(" ")[0])
    examples = "\n".join(f"# {meaning}\n{typed}" for typed, meaning in calls)
    words = " ".join(
        f"{shown_name(parameter)} is {parameter.doc}." for parameter in signature.words
    )
    many = "With - instead, each line of standard input is taken for the arguments of a call."
    if signature.is_for_one:
        many = ""
    parts = (first, f"\b\n{examples}", rest, f"{words} {many}".strip())
    return "\n\n".join(filter(None, parts))


def _first_sentence(doc: str) -> str:
    beginning, dot, _ = doc.partition(". ")
    return sentence(beginning + dot.strip())
