"""registry login and logout: a login is checked, and kept where docker keeps it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_OK
from regbot.cli.main import EXIT_INTERRUPTED
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import optional_config_option, settings_options
from regbot.cli.output import note, show_text
from regbot.cli.registry_names import RegistryName
from regbot.cli.signals import ask_on_signals
from regbot.errors import Stopped, UsageError

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.config.values import Config
    from regbot.http.hosts import HostSettings, Login

_USUAL = "docker.io"
_LARGEST = 64 * 1024
_NO_DOCKER_FILES = {"DOCKER_CONFIG": os.devnull, "DOCKER_AUTH_CONFIG": ""}


@click.command()
@click.argument("host", type=RegistryName(), default=_USUAL)
@click.option(
    "-u",
    "--user",
    "--username",
    "user",
    metavar="NAME",
    help="The user; asked for without it. `<token>` for an identity token as the password.",
)
@click.option(
    "--password-stdin",
    "--pass-stdin",
    "from_stdin",
    is_flag=True,
    help="Read the password from standard input.",
)
@optional_config_option
@settings_options
def login(
    host: str, user: str | None, config_path: str | None, settings: Settings, *, from_stdin: bool
) -> int:
    """Log in to a registry, by default Docker Hub.

    \b
    regbot registry login registry.example.org
    regbot registry login ghcr.io -u joe --password-stdin < token.txt

    The password is asked for, or read from standard input. It is stored only if the registry
    takes it: by the credential helper that the config, `regbot registry set` or docker's file
    names, else in docker's file, as `docker login` does. So docker and other tools find it
    too.
    """
    from regbot.http.check import takes_login
    from regbot.http.docker_store import DockerStore
    from regbot.run.bot import Options

    config = read_config(config_path)
    registry = _merged(config, host)
    store = DockerStore(_configured(config, host), os.environ, time.monotonic)
    typed = _typed(user, registry.login.user, from_stdin=from_stdin)
    client = replace(
        config.client,
        hosts=(replace(registry, login=typed),),
        environment={**config.client.environment, **_NO_DOCKER_FILES},
    )
    options = Options(journal=False)
    with open_bot(replace(config, client=client), config_path, settings, options) as bot:
        try:
            is_checked = takes_login(bot.services.exchange(bot.stop), host)
            store.store(typed, bot.stop)
        except Stopped:
            return EXIT_INTERRUPTED
    if not is_checked:
        note(f"{host} asks for no login at its root, so this one could not be checked")
    show_text(f"logged in to {host} as {typed.user or 'the owner of the token'}: {store.place}")
    _warn_of_others(config, host)
    return EXIT_OK


@click.command()
@click.argument("host", type=RegistryName(), default=_USUAL)
@optional_config_option
def logout(host: str, config_path: str | None) -> int:
    """Forget the login of a registry, by default Docker Hub.

    \b
    regbot registry logout registry.example.org

    It is removed from where `regbot registry login` and `docker login` store it.
    """
    from regbot.http.docker_store import DockerStore
    from regbot.stopping import Stop

    config = read_config(config_path)
    store = DockerStore(_configured(config, host), os.environ, time.monotonic)
    stop = Stop()
    ask_on_signals(stop.ask)
    try:
        had_one = store.erase(stop)
    except Stopped:
        return EXIT_INTERRUPTED
    if had_one:
        show_text(f"removed the login of {host} from {store.place}")
    else:
        note(f"no login of {host} is stored in {store.place}")
    _warn_of_others(config, host)
    return EXIT_OK


def _configured(config: Config, host: str) -> HostSettings:
    """What the config and `regbot registry set` say of a registry."""
    from regbot.http.hosts import HostSettings

    hosts = (settings for settings in config.client.hosts if settings.name == host)
    return next(hosts, HostSettings(host))


def _merged(config: Config, host: str) -> HostSettings:
    """The same with what docker's files add."""
    from regbot.events import ignore
    from regbot.http.docker_config import load

    settings = _configured(config, host)
    if not config.client.use_docker_config:
        return settings
    return load(os.environ, ignore).fill_in(settings, ignore)


def _typed(user: str | None, usual_user: str, *, from_stdin: bool) -> Login:
    """The login that a person gives. Raises UsageError."""
    from regbot.http.hosts import IDENTITY_USER, Login, Origin, Secret

    if from_stdin:
        if not user:
            raise UsageError("--password-stdin needs the user (add -u NAME)")
        password = _read_password()
    else:
        if not sys.stdin or not sys.stdin.isatty():
            raise UsageError("no terminal to ask for the password on (use --password-stdin)")
        user = user or str(click.prompt("user", default=usual_user or None, err=True))
        password = str(click.prompt("password", hide_input=True, err=True))
    origin = Origin("what was typed", "nothing was stored; try again")
    if user == IDENTITY_USER:
        return Login(identity_token=Secret(password), origin=origin)
    if ":" in user:
        raise UsageError("a user name has no colon")
    return Login(user, Secret(password), origin=origin)


def _read_password() -> str:
    """The password on standard input, without the line end. Raises UsageError."""
    raw = sys.stdin.buffer.read(_LARGEST + 1) if sys.stdin else b""
    try:
        password = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        password = ""
    if not password or len(raw) > _LARGEST:
        raise UsageError("standard input has no password (write it there as one line)")
    return password


def _warn_of_others(config: Config, host: str) -> None:
    """Say which other login goes before the one that is stored."""
    from regbot.events import ignore
    from regbot.http.docker_config import load, load_file

    configured = _configured(config, host).login
    if configured.password or configured.identity_token:
        note(f"the login in {configured.origin.place} goes before one that is stored")
    elif not config.client.use_docker_config and not configured.helper:
        note("the config has skipDockerConfig: true, so it uses no login that is stored")
    elif load(os.environ, ignore).login(host) != load_file(os.environ, ignore).login(host):
        note("the login in $DOCKER_AUTH_CONFIG goes before one that is stored")
