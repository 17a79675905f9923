"""The hosts a process speaks with, and what all its threads share of each."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.http.auth import Authenticator
from regbot.http.credentials import Keyring
from regbot.http.cutting import Cutter, Timeouts
from regbot.http.docker_config import DockerConfig, load
from regbot.http.hosts import DEFAULT_CONCURRENCY, ClientSettings, HostSettings
from regbot.http.pacing import Pace, Patience, Surroundings
from regbot.http.proxies import Proxies
from regbot.http.refusals import Refusals
from regbot.http.sharing import HostLimits, Limits
from regbot.http.slots import Holders, Slots
from regbot.oci.reference import DOCKER_HUB, DOCKER_HUB_NAMES, names_of_registry
from regbot.values import dataclass

if TYPE_CHECKING:
    from ssl import SSLContext

    from regbot.http.connections import Connections

CERTIFICATES = Path("/etc/docker/certs.d")
"""Docker's folder of the certificates for each host."""

DOWN_FOR = 60.0
"""Seconds that a mirror which failed is asked last."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a transport is built with beside the settings.

    ``limits`` are those that it shares with other processes, if there are any.
    """

    world: Surroundings
    environ: Mapping[str, str]
    patience: Patience
    timeouts: Timeouts
    certificates: Path
    user_agent: str
    limits: Limits | None = None


class Peer:
    """One host: its settings, connections, pace and login; whether it ever ``has_answered``."""

    def __init__(
        self,
        settings: HostSettings,
        options: Options,
        proxies: Proxies,
        holders: Holders,
        cutter: Cutter,
        certificates: Path | None,
    ) -> None:
        world = options.world
        at_once = settings.concurrency if settings.concurrency > 0 else DEFAULT_CONCURRENCY
        self.settings = settings
        shared = self._shared(options.limits, at_once) if options.limits else None
        self.pace = self._pace(options, shared)
        self.slots = Slots(settings.name, at_once, options.world.clock, holders, shared)
        self.auth = Authenticator(
            secure=settings.scheme == "https",
            repo_auth=settings.repo_auth,
            clock=world.clock,
            wall=world.wall,
        )
        self.keyring = Keyring.of(
            settings, environ=options.environ, clock=world.clock, emit=world.emit
        )
        self.refusals = Refusals(settings, reads_docker=certificates is not None)
        self._options = options
        self.cutter = cutter
        self.timeouts = options.timeouts
        self._proxies = proxies
        self._certificates = certificates
        self._size = 2 * at_once
        self.has_answered = False
        self._lock = threading.Lock()
        self._connections: Connections | None = None
        self._down_until = float("-inf")

    def _shared(self, limits: Limits, at_once: int) -> HostLimits:
        """What this process may ask of the host, which others know by its address."""
        return limits.host(
            names_of_registry(self.settings.address)[0],
            self.settings.name,
            rate=self.settings.requests_per_second,
            at_once=at_once,
            freed=self._freed,
        )

    def _pace(self, options: Options, shared: HostLimits | None) -> Pace:
        name, world, patience = self.settings.name, options.world, options.patience
        if shared is None:
            rate = self.settings.requests_per_second
            return Pace(name, world, rate=rate, patience=patience)
        from regbot.http.shared_pace import SharedPace

        return SharedPace(name, world, patience=patience, shared=shared)

    def _freed(self) -> None:
        self.slots.freed()

    @property
    def connections(self) -> Connections:
        """The connections, made ready at first use."""
        connections = self._connections
        if connections is not None:
            return connections
        from regbot.http.connections import Connections

        with self._lock:
            if self._connections is None:
                self._connections = Connections(
                    self._tls_context,
                    proxies=self._proxies,
                    user_agent=self._options.user_agent,
                    size=self._size,
                    cutter=self.cutter,
                )
            return self._connections

    def _tls_context(self) -> SSLContext:
        from regbot.http.tls import context_for

        return context_for(self.settings, self._certificates)

    @property
    def is_down(self) -> bool:
        """Whether it failed a short while ago."""
        return self._options.world.clock() < self._down_until

    def went_down(self) -> None:
        """Ask it last for a while."""
        self._down_until = self._options.world.clock() + DOWN_FOR

    def close(self) -> None:
        """Close its connections."""
        with self._lock:
            if self._connections is not None:
                self._connections.close()
                self._connections = None


class Peers:
    """Finds the peer of a registry, made at first use."""

    def __init__(self, settings: ClientSettings, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._proxies = Proxies.from_environment(options.environ)
        named = (replace(host, name=_name(host.name)) for host in settings.hosts)
        self._configured = {host.name: host for host in named}
        self._peers: dict[str, Peer] = {}
        self._paces: dict[str, Pace] = {}
        self._turns: dict[tuple[str, str], threading.RLock] = {}
        self._docker: DockerConfig | None = None
        self._holders = Holders()
        self._cutter = Cutter(options.world.clock)
        self._lock = threading.Lock()

    def get(self, registry: str) -> Peer:
        """The peer of a registry, by its name in references."""
        name = _name(registry)
        with self._lock:
            if name not in self._peers:
                docker = self._settings.use_docker_config
                self._peers[name] = Peer(
                    self._merged(name),
                    self._options,
                    self._proxies,
                    self._holders,
                    self._cutter,
                    self._options.certificates if docker else None,
                )
            return self._peers[name]

    def names(self, registry: str) -> tuple[str, ...]:
        """All names that lead to a registry's address, its configured ones among them."""
        addresses = names_of_registry(self.get(registry).settings.address)
        configured = (host.name for host in self._configured.values() if host.address in addresses)
        return tuple(dict.fromkeys((*addresses, *configured, _name(registry))))

    def pace(self, place: str) -> Pace:
        """The pace of a host that is no registry, such as a token server."""
        with self._lock:
            if place not in self._paces:
                self._paces[place] = Pace(
                    place, self._options.world, patience=self._options.patience
                )
            return self._paces[place]

    def turn(self, registry: str, repository: str) -> threading.RLock:
        """The lock of one repository, the same one by all names of its registry."""
        key = self.names(registry)[0], repository
        with self._lock:
            return self._turns.setdefault(key, threading.RLock())

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for peer in self._peers.values():
                peer.close()

    def _merged(self, name: str) -> HostSettings:
        configured = self._configured.get(name, HostSettings(name))
        if not self._settings.use_docker_config:
            return configured
        emit = self._options.world.emit
        if self._docker is None:
            self._docker = load(self._options.environ, emit)
        return self._docker.fill_in(configured, emit)


def _name(registry: str) -> str:
    return DOCKER_HUB if registry in DOCKER_HUB_NAMES else registry
