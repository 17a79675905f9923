"""What is typed after a command, worked out from the function that it calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import click

from regbot.cli.made.table import Made
from regbot.lua.binding import Binding, Parameter
from regbot.run.calls import binding_of
from regbot.values import dataclass

FILE = "file"
"""The name of a parameter that is a path."""

AN_OPTION = "option_"
"""What the names of a function's options begin with, among those of a command."""

_FOR_SCRIPTS = ". Default: the script's"
"""What begins a part of a description that holds for scripts alone."""
_UP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_METAVARS: Mapping[str, str] = {
    "platform": "PLATFORM",
    "array of platforms": "PLATFORM",
    "array of regular expressions": "REGEX",
    "table of strings": "KEY=VALUE",
    "integer": "N",
    "number": "N",
}
_CLICK_TYPES: Mapping[str, Any] = {"integer": click.INT, "number": click.FLOAT}
TABLE = "table<string, string>"
LIST = "string[]"


def shown_name(parameter: Parameter) -> str:
    """What an argument is called. What is a manifest in a script is its reference here."""
    return "REF" if parameter.name == "manifest" else parameter.name.upper()


@dataclass(frozen=True, slots=True)
class Signature:
    """The function of a command, and which of its parameters are typed how."""

    made: Made
    binding: Binding

    @classmethod
    def of(cls, made: Made) -> Signature:
        """That of a command."""
        return cls(made, binding_of(made.function))

    def function_for(self, given: Mapping[str, object]) -> Binding:
        """The function that is called with these options."""
        others = (name for option, name in self.made.instead.items() if given.get(option))
        other = next(others, None)
        return binding_of(other) if other else self.binding

    @property
    def words(self) -> tuple[Parameter, ...]:
        """The parameters that are arguments, in their order."""
        others = (*self.made.as_options, self.made.content)
        return tuple(each for each in self.binding.parameters if each.name not in others)

    @property
    def needed(self) -> int:
        """How many of the arguments have to be there: no file says where a manifest belongs."""
        if self.made.content == "manifest":
            return len(self.words)
        return sum(not (each.optional or self._may_be_left_out(each)) for each in self.words)

    @property
    def repeats(self) -> bool:
        """Whether any number of arguments may be given, each for a call of its own."""
        return len(self.words) == 1 and not self.is_for_one

    @property
    def writes_file(self) -> bool:
        """Whether a file is written, which may also be standard output."""
        return any(map(self._may_be_left_out, self.words))

    @property
    def prints(self) -> bool:
        """Whether it has a result to print."""
        return bool(self.binding.result)

    @property
    def is_for_one(self) -> bool:
        """Whether it makes a single call, whose content is read or written as it is."""
        is_exact = self.made.form in ("exact", "files")
        return bool(self.made.content) or is_exact or self.writes_file

    @property
    def usage(self) -> str:
        """The arguments, as the help shows them."""
        names = [shown_name(each) for each in self.words]
        if self.repeats or self.made.each_last:
            return f"{' '.join(names)}..."
        optional = [f"[{name}]" for name in names[self.needed :]]
        return " ".join([*names[: self.needed], *optional])

    @property
    def options(self) -> tuple[Parameter, ...]:
        """What is given by options: those of the function, and parameters that are named so."""
        functions = [self.binding, *map(binding_of, self.made.instead.values())]
        as_options = {
            each.name: each
            for function in functions
            for each in function.parameters
            if each.name in self.made.as_options
        }
        return (*as_options.values(), *self.binding.options)

    def click_options(self) -> Iterator[click.Option]:
        """The options, as click has them."""
        for option in self.options:
            short = ("-p",) if option.name == "platform" else ()
            usual = (*short, f"--{_UP.sub('-', option.name).lower()}")
            names = (*self.made.flags.get(option.name, usual), _key(option))
            kind = option.type.lua
            repeats = kind in (LIST, TABLE)
            doc, _, _ = option.doc.partition(_FOR_SCRIPTS)
            yield click.Option(
                names,
                is_flag=kind == "boolean",
                multiple=repeats,
                type=None if kind == "boolean" else _CLICK_TYPES.get(kind, click.STRING),
                metavar=None if kind == "boolean" else _METAVARS.get(option.type.name, "TEXT"),
                help=sentence(doc) + (" Repeatable." if repeats else ""),
            )

    def _may_be_left_out(self, parameter: Parameter) -> bool:
        return parameter.name == FILE and self.binding.name == "image.exportTar"


def _key(option: Parameter) -> str:
    return f"{AN_OPTION}{option.name}"


def sentence(text: str) -> str:
    """A description as a sentence of its own."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
