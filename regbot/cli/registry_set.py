"""registry set: an option for each key of ``creds``, made from what the keys declare."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from regbot.cli.output import show_text
from regbot.cli.registry_names import RegistryName, registries_file
from regbot.config.creds import Creds, is_secret
from regbot.config.fields import flag_of
from regbot.config.registrychanges import Setting, set_up
from regbot.config.section import Key, Listing
from regbot.config.shapes import plain_text
from regbot.errors import UsageError

_BY_LOGIN = frozenset({"pass", "token"})
"""Keys that no option sets, since others can see a command line."""
_ALSO = {"regcert": "--cacert", "mirrors": "--mirror"}
"""Other names that options have, those of regctl."""
_HIDDEN = frozenset({"scheme"})
_TOLD = {
    "mirrors": "Repeatable.",
    "apiOpts": "Written KEY=VALUE. Repeatable.",
    "clientKey": 'A template such as {{file "/path"}}, as others can see a command line.',
}


def set_command() -> click.Command:
    """The command, with its options."""
    options = [
        _option(alias, key)
        for alias, key in Creds.keys.items()
        if not key.required and alias not in _BY_LOGIN
    ]
    return click.Command(
        "set",
        params=[click.Argument(["host"], type=RegistryName()), *options],
        callback=_set,
        help=_HELP,
    )


_HELP = """Set how a registry is reached, for all commands.

\b
regbot registry set localhost:5000 --tls disabled
regbot registry set registry.example.org --cred-helper docker-credential-pass
regbot registry set --repo-auth gcr.io
regbot registry set docker.io --mirror mirror.example.org
regbot registry set registry.example.org --regcert "$(cat ca.pem)"

What was set before stays; an empty value (--tls '') takes it away. Values may be templates,
as in a config: --regcert '{{file "/etc/ssl/ca.pem"}}'. Passwords and tokens have no option,
since others can see a command line: `regbot registry login` stores them.
"""


def _option(alias: str, key: Key[Any]) -> click.Option:
    names = [_named(alias), *([_ALSO[alias]] if alias in _ALSO else [])]
    about = f"{plain_text(key.doc)} {_TOLD.get(alias, '')}".strip()
    if key.kind is flag_of:
        off = names[0].replace("--", "--no-", 1)
        about = about.removeprefix("true ").capitalize()
        return click.Option([f"{names[0]}/{off}", alias], default=None, help=about)
    is_many = isinstance(key.kind, Listing) or key.section is not None
    return click.Option(
        [*names, alias],
        multiple=is_many,
        default=None,
        metavar="KEY=VALUE" if key.section else "TEXT",
        hidden=alias in _HIDDEN,
        help=about,
    )


def _named(alias: str) -> str:
    """The option of a key: ``credHelper`` is ``--cred-helper``."""
    return "--" + re.sub("([A-Z])", r"-\1", alias).lower()


def _set(host: str, **options: Any) -> None:  # noqa: ANN401 - the values of any options
    """Set what options were given."""
    settings = {
        alias: _setting(alias, options[alias])
        for alias in Creds.keys
        if options.get(alias) not in (None, ())
    }
    if not settings:
        raise UsageError("nothing to set (name an option such as --tls disabled)")
    path = registries_file()
    set_up(path, host, settings, os.environ)
    gone = [alias for alias in settings if not settings[alias]]
    there = [alias for alias in settings if settings[alias]]
    deeds = [f"set {', '.join(there)}"] if there else []
    deeds += [f"removed {', '.join(gone)}"] if gone else []
    show_text(f"{host}: {' and '.join(deeds)} in {path}")


def _setting(alias: str, value: Any) -> Setting:  # noqa: ANN401 - the value of any option
    """The value of an option as it is written in the file. Raises UsageError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_secret(alias) and value and "{{" not in str(value):
        raise UsageError(
            f"{_named(alias)}: others can see a secret on a command line"
            " (put it into a file, and write '{{file \"/path\"}}')"
        )
    if isinstance(value, str):
        return value
    items = [item for item in value if item]
    return _pairs(alias, items) if Creds.keys[alias].section else items


def _pairs(alias: str, items: Sequence[str]) -> Mapping[str, str]:
    pairs = [item.partition("=") for item in items]
    for key, equals, _ in pairs:
        if not equals:
            raise UsageError(f"{_named(alias)} {key}: write KEY=VALUE")
    return {key: value for key, _, value in pairs}
