"""Whether the process answers, and whether the server does what it is for.

``/healthz`` and ``/readyz`` answer whoever asks, so they tell no more than they have to.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bottle import response

from regbot.run.timetable import due_rules, rule_text
from regbot.serve.site import PLAIN

if TYPE_CHECKING:
    from bottle import Bottle

    from regbot.config.values import Script
    from regbot.run.schedule import Due
    from regbot.run.service import ScriptState, Service
    from regbot.serve.site import Site

_YEAR = timedelta(days=366)
_WRITTEN_FOR = 5.0
"""Seconds for which it is not tried again whether the state can be written."""

_FAILED = ("failed", "interrupted")
"""How a run ended after which the next one says nothing before it has ended, too."""


def add_to(app: Bottle, site: Site) -> None:
    """Add the routes."""
    readiness = Readiness(site.now())

    def readyz() -> str:
        response.set_header("Content-Type", PLAIN)
        names = site.settings.read_token is None
        problems = readiness.problems(site.service, site.now(), names=names)
        if not problems:
            return "ready\n"
        response.status = 503
        return "".join(f"{line}\n" for line in ("not ready", *problems))

    app.get("/healthz", callback=_healthz)
    app.get("/readyz", callback=readyz)


def _healthz() -> str:
    response.set_header("Content-Type", PLAIN)
    return "ok\n"


class Readiness:
    """What keeps a server from being ready; threads may share it.

    ``began`` is when it began to listen. Times are in seconds since 1970.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], float] | None = None
        self._tried = float("-inf")
        self._is_writable = True

    def problems(self, service: Service, now: float, *, names: bool) -> list[str]:
        """Why it is not ready, a line each; with ``names`` the scripts are named."""
        if service.stop.asked:
            return ["it is stopping"]
        states = service.states()
        if not states:
            return ["no config is in force"]
        problems = [] if self._can_write(service, now) else ["the state can't be written"]
        late = list(self._late(service, states, now))
        if names:
            return problems + [
                f"script {name} has had no success within twice its interval" for name in late
            ]
        text = "a script has had no success within twice its interval"
        return problems + ([text] if late else [])

    def _can_write(self, service: Service, now: float) -> bool:
        if service.journal is None:
            return service.is_dry_run
        with self._lock:
            if abs(now - self._tried) >= _WRITTEN_FOR:
                self._tried, self._is_writable = now, service.journal.is_writable
            return self._is_writable

    def _late(self, service: Service, states: Sequence[ScriptState], now: float) -> Iterator[str]:
        rules = {script.name: rule for script, rule in due_rules(service.config)}
        since = self._since([state.script for state in states], now)
        for state in states:
            name, last_run = state.script.name, state.last
            has_failed = last_run is not None and last_run.status in _FAILED
            begun = [] if has_failed else [run.started for run in state.running]
            last = max([since[name], state.last_success or 0.0, *begun])
            if name in rules and now > late_at(rules[name], last, state.script.jitter):
                yield name

    def _since(self, scripts: Sequence[Script], now: float) -> dict[str, float]:
        """Since when the server knows each script by the rule that it has now."""
        keys = [(script.name, rule_text(script)) for script in scripts]
        with self._lock:
            known, begun = self._known or {}, self._began if self._known is None else now
            self._known = {key: known.get(key, begun) for key in keys}
            return {name: self._known[name, rule] for name, rule in keys}


def late_at(rule: Due, last: float, jitter: float) -> float:
    """When a script that did well at ``last`` is late: twice the gap between its due times later.

    Gaps may differ, as over a weekend: two times that it is due have to pass.
    """
    moment = datetime.fromtimestamp(last, UTC)
    late = rule.next(rule.next(moment))
    if rule.follows_clock:
        earlier = rule.next(moment - _YEAR)
        late += moment - rule.last(earlier, moment) if earlier <= moment else timedelta()
    return late.timestamp() + jitter
