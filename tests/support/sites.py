"""A server's site over HTTP, around a service that says what a test tells it to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from regbot.config.values import Config
from regbot.events import Event, Message
from regbot.serve.address import Address
from regbot.serve.listening import Limits, serving
from regbot.serve.live import Live
from regbot.serve.metrics import Metrics
from regbot.serve.site import Site
from regbot.stopping import Stop
from support.configs import load


@dataclass
class FakeService:
    """What handlers see of a service, as a test sets it."""

    config: Config = field(default_factory=lambda: load("{}"))
    journal: Any = None
    is_dry_run: bool = True
    stop: Stop = field(default_factory=Stop)
    config_path: str = "/etc/regbot/regbot.yml"
    reload_problem: str = ""
    shown: tuple[Any, ...] = ()
    error: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def states(self) -> tuple[Any, ...]:
        return self.shown

    def run_now(self, script: str) -> None:
        self._note("run", script)

    def plan_now(self, script: str) -> None:
        self._note("plan", script)

    def apply(self, plan_id: str) -> None:
        self._note("apply", plan_id)

    def approve(self, plan_id: str) -> None:
        self._note("approve", plan_id)

    def _note(self, what: str, name: str) -> None:
        """Note what is asked for, or refuse it with ``error``."""
        if self.error:
            raise self.error
        self.asked.append((what, name))


@dataclass
class Listening:
    """A site that answers, what it logged, and the port it is on."""

    site: Site
    events: list[Event]
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, method: str = "GET", **settings: Any) -> requests.Response:
        """Ask for a page, without regard to proxies of the environment."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, timeout=30, **settings)

    def messages(self) -> list[Message]:
        return [event for event in self.events if isinstance(event, Message)]


@contextmanager
def listening(
    service: Any = None,
    *,
    units: Any = None,
    now: Callable[[], float] = time.time,
    limits: Limits = Limits(),
) -> Iterator[Listening]:
    """A site on a free port of the loopback interface."""
    events: list[Event] = []
    service = service or FakeService()
    live = Live(now)
    live.keep_in(service.journal, events.append)
    metrics = Metrics()
    metrics.follow(service, units)
    site = Site(service, events.append, "127.0.0.1", now, live, metrics, units)
    place = Listening(site, events)
    with serving(site, Address("127.0.0.1", 0), limits):
        (told,) = [each for each in place.messages() if each.text == "listening"]
        place.port = int(str(told.fields["url"]).rpartition(":")[2])
        yield place
