"""registry whoami: who logs in to registries, and from where that is known."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_FAILED, EXIT_OK
from regbot.cli.main import EXIT_INTERRUPTED
from regbot.cli.opening import read_config
from regbot.cli.options import optional_config_option
from regbot.cli.output import note, show, show_text
from regbot.cli.registry_names import RegistryName
from regbot.cli.signals import ask_on_signals
from regbot.errors import CredentialError, Stopped
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.config.values import Config
    from regbot.http.docker_config import DockerConfig
    from regbot.http.hosts import HostSettings
    from regbot.stopping import Stop


@dataclass(frozen=True, slots=True)
class Known:
    """Who logs in to a registry; empty if nobody is known, or why that can't be said."""

    registry: str
    user: str = ""
    place: str = ""
    error: str = ""


@click.command()
@click.argument("host", type=RegistryName(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@optional_config_option
def whoami(host: str | None, config_path: str | None, *, as_json: bool) -> int:
    """Show who logs in to a registry, or to all that a login is known for.

    \b
    regbot registry whoami registry.example.org
    regbot registry whoami

    It says where the login is from: a line of the config, docker's file, or a credential
    helper, which is asked. No secret is shown, and no registry is asked. The exit code is 1
    if no login is known.
    """
    from regbot.stopping import Stop

    config = read_config(config_path)
    stop = Stop()
    ask_on_signals(stop.ask)
    try:
        logins = list(_logins(config, host, stop))
    except Stopped:
        return EXIT_INTERRUPTED
    if as_json:
        _show_json(logins)
    elif host is None:
        _show_table([login for login in logins if not login.error])
    for login in logins:
        if login.error:
            note(login.error)
    if host and not as_json and not logins[0].error:
        _show_one(logins[0])
    missing = [login for login in logins if not login.user]
    return EXIT_FAILED if missing or not logins else EXIT_OK


def _logins(config: Config, host: str | None, stop: Stop) -> Iterable[Known]:
    from regbot.events import ignore
    from regbot.http.docker_config import DockerConfig, load
    from regbot.http.hosts import HostSettings

    uses_docker = config.client.use_docker_config
    docker = load(os.environ, ignore) if uses_docker else DockerConfig()
    configured = {settings.name: settings for settings in config.client.hosts}
    for name in [host] if host else _names(configured, docker):
        settings = configured.get(name, HostSettings(name))
        known = _known(docker.fill_in(settings, ignore), stop)
        if host or known.user or known.error:
            yield known


def _names(configured: Iterable[str], docker: DockerConfig) -> list[str]:
    return list(dict.fromkeys((*configured, *docker.helpers, *docker.logins)))


def _known(settings: HostSettings, stop: Stop) -> Known:
    from regbot.events import ignore
    from regbot.http.credentials import Keyring

    keyring = Keyring.of(settings, environ=os.environ, clock=time.monotonic, emit=ignore)
    try:
        login = keyring.get(stop)
    except CredentialError as error:
        return Known(settings.name, error=str(error))
    if not login:
        return Known(settings.name)
    return Known(settings.name, login.user or "(a token)", login.origin.place)


def _show_one(login: Known) -> None:
    if login.user:
        show_text(login.user)
        note(f"from {login.place}")
    else:
        note(
            f"no login is known for {login.registry} (run: regbot registry login {login.registry})"
        )


def _show_table(logins: Sequence[Known]) -> None:
    from regbot.report.layout import Column, Line
    from regbot.report.terminal import print_lines

    lines = [Line((login.registry, login.user), login.place) for login in logins]
    columns = (Column("registry", is_name=True), Column("user", is_name=True))
    if lines:
        show(lambda stream: print_lines(columns, lines, stream, title="from"))
    else:
        note("no login is known (run: regbot registry login HOST)")


def _show_json(logins: Sequence[Known]) -> None:
    entries = [
        {"registry": login.registry, "user": login.user, "from": login.place} for login in logins
    ]
    show_text(json.dumps(entries, indent=2, ensure_ascii=False))
