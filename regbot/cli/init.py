"""init: writes a first config and its test, after a look at a registry."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from regbot.cli.group import EXIT_OK
from regbot.cli.main import EXIT_INTERRUPTED
from regbot.cli.options import Settings, usual_config
from regbot.cli.output import show_text
from regbot.cli.schema import Files, schema_of
from regbot.errors import ConnectionFailed, RegbotError, Stopped, UsageError

if TYPE_CHECKING:
    from regbot.config.values import Repositories
    from regbot.proposal.pages import Access, Proposal

_T = TypeVar("_T")

_CONFIG, _TEST = "regbot.yml", "regbot_test.yml"
_SCHEMAS: dict[str, Files] = {"regbot.schema.json": "config", "regbot-test.schema.json": "test"}
_STUB = "regbot.meta.lua"
_EXAMPLE = "registry.example.org/team/app"
_QUIET = Settings("warn", "logfmt", "")
_LONGEST = 300.0
"""Seconds for the look: a registry may answer without end."""
_LATE = "the look took longer than 5 minutes (name a repository or a few of them)"
_VARIABLES = ("REGISTRY_USER", "REGISTRY_PASSWORD")


@click.command()
@click.argument("names", nargs=-1, metavar="[REGISTRY[/REPOSITORY]]...")
@click.option("--offline", is_flag=True, help="Write the files without a look at the registry.")
@click.option(
    "--tls",
    type=click.Choice(["enabled", "insecure", "disabled"]),
    help="How to reach the registry; disabled is plain HTTP, the default for a registry on"
    " this machine without TLS.",
)
@click.option("--lua", is_flag=True, help=f"Write {_STUB} too, with which editors complete Lua.")
def init(names: tuple[str, ...], tls: str | None, *, offline: bool, lua: bool) -> int:
    """Write a first config, and a test of it, for a registry.

    \b
    regbot init registry.example.org           # all its repositories
    regbot init registry.example.org/team/app  # this one

    Nothing is changed there: only the repositories, their tags and the dates of builds are
    looked at. The rule of the config deletes old builds, and keeps releases, names such as
    latest, and the newest builds. Comments say how many tags that would delete. If the
    registry doesn't list its repositories, name them.

    The login is docker's own, or that in $REGISTRY_USER and $REGISTRY_PASSWORD. No file is
    overwritten. If the registry can't be read, nothing is written. Without a registry, or with
    --offline, the files are a template.
    """
    from regbot.proposal.look import repositories_of

    _require_free([_CONFIG, "regbot.yaml", _TEST])
    try:
        part = repositories_of(names or (_EXAMPLE,))
        proposal = _template(part, tls) if offline or not names else _after_a_look(part, tls)
    except Stopped:
        return EXIT_INTERRUPTED
    except UsageError:
        raise
    except RegbotError as error:
        again = shlex.join(["regbot", "init", "--offline", *names])
        raise RegbotError(f"{error}; nothing was written (without a look: {again})") from None
    _show_end(proposal, _write(proposal, lua=lua))
    return EXIT_OK


def _require_free(names: Sequence[str]) -> None:
    for name in names:
        if os.path.lexists(name):
            raise UsageError(
                f"{name}: this file exists already, so nothing was written (delete it, or change"
                " to another folder)"
            )


def _template(part: Repositories, tls: str | None) -> Proposal:
    from regbot.oci.reference import Reference
    from regbot.proposal.pages import Proposal

    names = part.names or ("team/app",)
    repositories = (Reference("registry", part.registry, name) for name in names)
    return Proposal(_access(part.registry, tls or ""), tuple(repositories))


def _after_a_look(part: Repositories, tls: str | None) -> Proposal:
    """What is proposed after a look. A registry on this machine may be one without TLS."""
    from regbot.oci.reference import names_of_registry

    is_here = len(names_of_registry(part.registry)) > 1
    try:
        return _look(part, _access(part.registry, tls or ""))
    except ConnectionFailed as error:
        if tls or not is_here:
            raise
        try:
            return _look(part, _access(part.registry, "disabled"))
        except ConnectionFailed:
            raise error from None


def _access(registry: str, tls: str) -> Access:
    from regbot.config.load import default_config
    from regbot.events import ignore
    from regbot.http.docker_config import load
    from regbot.http.hosts import HostSettings, Login
    from regbot.proposal.pages import Access

    if all(os.environ.get(name) for name in _VARIABLES):
        return Access(registry, tls, "environment")
    hosts = default_config(os.environ, Path.cwd()).client.hosts
    settings = next((host for host in hosts if host.name == registry), HostSettings(registry))
    has_login = load(os.environ, ignore).fill_in(settings, ignore).login != Login()
    return Access(registry, tls, "stored" if has_login else "")


def _look(part: Repositories, access: Access) -> Proposal:
    from regbot.cli.opening import open_bot
    from regbot.proposal.proposing import config_for, propose

    with open_bot(config_for(access), None, _QUIET) as bot:
        stop = bot.stop.within(_LONGEST, _LATE)
        return propose(part, access, bot.stores(stop), stop, _watched)


def _watched(items: Sequence[_T], label: str) -> Iterator[_T]:
    """The items one after the other, with a bar on a terminal."""
    hidden = not (sys.stderr and sys.stderr.isatty())
    with click.progressbar(items, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield from bar


def _write(proposal: Proposal, *, lua: bool) -> list[str]:
    """Write the files, and give their names. What editors need is left as it is there."""
    from regbot.files import write_out
    from regbot.proposal.pages import config_page, test_page

    texts = {_CONFIG: config_page(proposal), _TEST: test_page(proposal)}
    helpers = {name: schema_of(files) for name, files in _SCHEMAS.items()}
    if lua:
        helpers[_STUB] = _stub()
    texts |= {name: text for name, text in helpers.items() if not os.path.lexists(name)}
    for name, text in texts.items():
        write_out(Path(name), text.encode())
    return list(texts)


def _stub() -> str:
    from regbot.lua import pages
    from regbot.lua.api.catalogue import BINDINGS
    from regbot.lua.values import SHAPES

    return pages.meta(BINDINGS, SHAPES)


def _counted(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _show_end(proposal: Proposal, written: Sequence[str]) -> None:
    show_text(f"wrote {', '.join(written)}")
    if proposal.inventories:
        total = proposal.kept + proposal.deleted
        repositories = _counted(len(proposal.inventories), "repository")
        show_text(
            f"of {_counted(total, 'tag')} in {repositories} its"
            f" rule would keep {proposal.kept} now and delete {proposal.deleted}"
        )
    else:
        show_text(f"write your repositories into {_CONFIG} and {_TEST}")
    if not proposal.access.login:
        need = "deleting there needs" if proposal.inventories else "the registry needs"
        show_text(f"if {need} a login: regbot registry login {proposal.access.registry}")
    option = "" if usual_config() == _CONFIG else f" -c {_CONFIG}"
    show_text(f"next:\n  regbot check{option}\n  regbot test\n  regbot plan{option}")
