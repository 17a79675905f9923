"""``--listen``: the server answers HTTP too."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from regbot.errors import InvalidValue, UsageError

if TYPE_CHECKING:
    from regbot.run.service import Service
    from regbot.serve.address import Address

_PACKAGES = ("bottle", "waitress", "prometheus_client")
_INSTALL = "pip install '.[server]'"


def _address(_ctx: click.Context, _option: click.Parameter, text: str | None) -> Address | None:
    """The callback of the option. Raises UsageError, also where packages are missing."""
    from regbot.serve.address import Address

    if text is None:
        return None
    try:
        address = Address.parse(text)
    except InvalidValue as error:
        raise UsageError(f"--listen {text}: {error}") from None
    if not all(find_spec(package) for package in _PACKAGES):
        raise UsageError(f"--listen needs packages that are not installed ({_INSTALL})")
    return address


listen_option = click.option(
    "--listen",
    metavar="HOST:PORT",
    callback=_address,
    help="Answer HTTP requests there. Without it, no port is opened.",
)


def listening(service: Service, address: Address | None) -> AbstractContextManager[None]:
    """Answer requests until the end, if there is an address. Raises UsageError."""
    if address is None:
        return nullcontext()
    from regbot.serve.listening import serving
    from regbot.serve.site import Site

    return serving(Site(service, service.emit, address.host, time.time), address)
