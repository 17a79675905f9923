"""What Prometheus reads: ``/metrics``, made from events and from where the scripts are.

No tag and no repository is a label, and every label has a limited number of values, so that
a hostile registry can't make endless series.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, get_args

from bottle import response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily

from regbot.errors import StorageError
from regbot.events import Delayed, Ending, Event, Exchanged, PullsLeft, RunMissed, Spared, bare
from regbot.plan.action import Action
from regbot.plan.outcome import ActionDone, Status
from regbot.run.service_events import ConfigReloaded, ScriptRunEnded
from regbot.serve import families
from regbot.serve.families import NO_ANSWER, OTHER, Family
from regbot.version import __version__

if TYPE_CHECKING:
    from bottle import Bottle

    from regbot.config.values import Config
    from regbot.run.cluster.units import Units
    from regbot.run.service import Service
    from regbot.serve.site import Site

MOST_HOSTS = 64
"""Hosts with series of their own, beside those of the config."""
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RUN_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600)
_REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CODES = {0: NO_ANSWER} | {status.value: str(status.value) for status in HTTPStatus}
_VERBS = tuple(kind.verb for kind in get_args(Action))


def add_to(app: Bottle, site: Site) -> None:
    """Add the route."""

    def metrics() -> bytes:
        response.set_header("Content-Type", _CONTENT_TYPE)
        return generate_latest(site.metrics)

    app.get("/metrics", callback=metrics)


class Metrics:
    """A listener that counts what it hears; threads may share it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._names = _Names()
        self._runs = self._counter(families.RUNS)
        self._run_seconds = self._histogram(families.RUN_SECONDS, _RUN_SECONDS)
        self._missed = self._counter(families.MISSED)
        self._actions = self._counter(families.ACTIONS)
        self._guard_stops = self._counter(families.GUARD_STOPS)
        self._freeable = self._counter(families.FREEABLE)
        self._requests = self._counter(families.REQUESTS)
        self._request_seconds = self._histogram(families.REQUEST_SECONDS, _REQUEST_SECONDS)
        self._backoff = self._counter(families.BACKOFF)
        self._pulls_left = self._gauge(families.PULLS_LEFT)
        self._cache_hits = self._counter(families.CACHE_HITS)
        self._gauge(families.BUILD).labels(__version__).set(1)
        ProcessCollector(registry=self._registry)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.meaning, family.labels, registry=self._registry)

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.meaning, family.labels, registry=self._registry)

    def _histogram(self, family: Family, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(
            family.name, family.meaning, family.labels, buckets=buckets, registry=self._registry
        )

    def follow(self, service: Service, units: Units | None) -> None:
        """Tell where the scripts of a service are, and count from 0 for each of them.

        ``units`` are those of runs that workers share, where the state is a database.
        """
        self._registry.register(_States(service))
        self._registry.register(_Plans(service))
        if units:
            self._registry.register(_Queue(service, units))
        self.begin(service.config)

    def begin(self, config: Config) -> None:
        """Count from 0 for each script and host of a config that was not known."""
        for host in config.client.hosts:
            self._names.add_host(host.name)
            self._backoff.labels(host.name)
        for name in self._names.add_scripts(script.name for script in config.scripts):
            for family in (self._run_seconds, self._missed, self._guard_stops, self._freeable):
                family.labels(name)
            for ending in get_args(Ending):
                self._runs.labels(name, ending)
            for verb in _VERBS:
                for status in get_args(Status):
                    self._actions.labels(name, verb, status)

    def listen(self, event: Event) -> None:
        """Count an event."""
        match bare(event):
            case Exchanged() as exchanged:
                host = self._names.host(exchanged.host)
                self._requests.labels(host, _CODES.get(exchanged.status, OTHER)).inc()
                self._request_seconds.labels(host).observe(exchanged.seconds)
            case Delayed(is_backoff=True) as delayed:
                self._backoff.labels(self._names.host(delayed.host)).inc(delayed.seconds)
            case PullsLeft() as pulls:
                self._pulls_left.labels(self._names.host(pulls.host)).set(pulls.count)
            case Spared(by="cache"):
                self._cache_hits.inc()
            case ActionDone(outcome=outcome, is_trial=False):
                script = self._names.script(outcome.script)
                self._actions.labels(script, outcome.action.verb, outcome.status).inc()
            case RunMissed() as missed:
                self._missed.labels(self._names.script(missed.script)).inc()
            case ScriptRunEnded() as ended:
                self._count_run(ended)
            case ConfigReloaded(config=config):
                self.begin(config)

    def _count_run(self, ended: ScriptRunEnded) -> None:
        run, script = ended.run, self._names.script(ended.run.script)
        self._runs.labels(script, run.status).inc()
        if run.ended is not None:
            self._run_seconds.labels(script).observe(max(0.0, run.ended - run.started))
        if run.guarded:
            self._guard_stops.labels(script).inc()
        if run.counts.get("done"):
            self._freeable.labels(script).inc(run.freeable or 0)

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now, without the times at which their series began."""
        for metric in self._registry.collect():
            metric.samples = [
                sample for sample in metric.samples if not sample.name.endswith("_created")
            ]
            yield metric


class _Names:
    """The values that labels may have; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: set[str] = set()
        self._seen = 0
        self._scripts: set[str] = set()

    def host(self, name: str) -> str:
        """What stands for a host, which may have a series of its own from now on."""
        if name in self._hosts:
            return name
        with self._lock:
            if self._seen >= MOST_HOSTS:
                return OTHER
            self._seen += 1
            self._hosts.add(name)
            return name

    def add_host(self, name: str) -> None:
        """Give a host a series of its own."""
        with self._lock:
            self._hosts.add(name)

    def script(self, name: str) -> str:
        """What stands for a script; a plan of several scripts is of none of them."""
        return name if name in self._scripts else OTHER

    def add_scripts(self, names: Iterable[str]) -> list[str]:
        """Give scripts series of their own; those that had none."""
        with self._lock:
            added = [name for name in names if name not in self._scripts]
            self._scripts.update(added)
            return added


class _States:
    """Where the scripts of a service are, when it is asked."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """The times of each script."""
        success, upcoming = self.describe()
        for state in self._service.states():
            labels = [state.script.name]
            if state.last_success is not None:
                success.add_metric(labels, state.last_success)
            if state.upcoming is not None:
                upcoming.add_metric(labels, state.upcoming.at.timestamp())
        yield from (success, upcoming)

    def describe(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        """The same without any script: the registry asks for the names."""
        return _empty(families.LAST_SUCCESS), _empty(families.NEXT_RUN)


class _Plans:
    """The plans that wait for approval, when it is asked; nothing where they can't be read."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """How many wait of each script that needs approval."""
        journal, config = self._service.journal, self._service.config
        counts = {script.name: 0 for script in config.scripts if script.approve}
        names = {script.name for script in config.scripts}
        with suppress(StorageError):
            if not journal:
                return
            for plan in journal.plans_in("waiting", self._service.config_path):
                name = plan.script if plan.script in names else OTHER
                counts[name] = counts.get(name, 0) + 1
            yield _filled(families.PLANS_WAITING, counts)

    def describe(self) -> tuple[GaugeMetricFamily]:
        """The same without any script."""
        return (_empty(families.PLANS_WAITING),)


class _Queue:
    """The units that the workers of a config do, when it is asked, as ``_Plans``."""

    def __init__(self, service: Service, units: Units) -> None:
        self._service = service
        self._units = units

    def collect(self) -> Iterator[Metric]:
        """How many wait, and how many are being done."""
        with suppress(StorageError):
            counts = self._units.progress.counts(self._service.config.fingerprint)
            yield _filled(families.UNITS, counts)

    def describe(self) -> tuple[GaugeMetricFamily]:
        """The same without any unit."""
        return (_empty(families.UNITS),)


def _empty(family: Family) -> GaugeMetricFamily:
    return GaugeMetricFamily(family.name, family.meaning, labels=family.labels)


def _filled(family: Family, values: Mapping[str, int]) -> GaugeMetricFamily:
    """A family with a value for each value of its label."""
    metric = _empty(family)
    for name, value in values.items():
        metric.add_metric([name], value)
    return metric
