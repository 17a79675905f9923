"""``--listen``: the server answers HTTP too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from regbot.errors import InvalidValue, StorageError, UsageError

if TYPE_CHECKING:
    from regbot.events import Emit
    from regbot.run.cluster.units import Units
    from regbot.run.service import Service
    from regbot.serve.address import Address
    from regbot.serve.live import Live
    from regbot.serve.metrics import Metrics

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
    help="Answer HTTP requests there: pages, metrics and health. Without it, no port is opened.",
)


class Listening:
    """What answers requests at an address, or nothing without one.

    It hears of what happens before there is a service: ``listeners`` are to be told.
    """

    def __init__(self, address: Address | None) -> None:
        self._address = address
        self._heard: tuple[Live, Metrics] | None = None
        if address:
            from regbot.serve.live import Live
            from regbot.serve.metrics import Metrics

            self._heard = Live(time.time), Metrics()

    @property
    def listeners(self) -> tuple[Emit, ...]:
        """Those that are to be told of every event."""
        if not self._heard:
            return ()
        live, metrics = self._heard
        return live.listen, metrics.listen

    @contextmanager
    def serving(self, service: Service) -> Iterator[None]:
        """Answer requests until the end. Raises UsageError where it can't listen."""
        if not self._address or not self._heard:
            yield
            return
        from regbot.serve.listening import serving
        from regbot.serve.site import Site

        live, metrics = self._heard
        live.keep_in(service.journal, service.emit)
        with _shared_units(service) as units:
            metrics.follow(service, units)
            site = Site(service, service.emit, self._address.host, time.time, live, metrics, units)
            with serving(site, self._address):
                yield


@contextmanager
def _shared_units(service: Service) -> Iterator[Units | None]:
    """The units of runs that workers share; None without a database to record in."""
    from regbot.journal.place import DatabaseUrl

    if not (service.journal and isinstance(service.config.state, DatabaseUrl)):
        yield None
        return
    from regbot.events import Message
    from regbot.run.cluster.opening import open_units

    with ExitStack() as ending:
        units = None
        try:
            units = ending.enter_context(open_units(service.config.state, "--listen"))
        except StorageError as error:
            service.emit(Message("warn", f"pages and metrics show no units: {error}"))
        yield units
