"""A registry that knows who may delete now, and can do something between work and answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from regbot.errors import StorageError
from regbot.journal.postgres import PostgresDatabase
from support.registry import TestRegistry
from support.registry.calls import Call, Reply

_WORKERS = (
    "SELECT worker.name FROM unit JOIN worker ON worker.id = unit.worker"
    " WHERE unit.state = 'running' AND unit.repository LIKE ?"
)


@dataclass(slots=True)
class _Moment:
    """What is done when such requests were carried out, and not answered yet."""

    method: str
    part: str
    after: int
    act: Callable[[], object]


@dataclass(slots=True)
class Deleted:
    """A DELETE that was carried out: who sent it, and who had the unit of its repository."""

    path: str
    process: str
    had_it: list[str] = field(default_factory=list)


class WatchedRegistry(TestRegistry):
    """A TestRegistry in whose ``deleted`` is every DELETE that it carried out."""

    def __init__(self, *quirks: Any, **switches: Any) -> None:
        super().__init__(*quirks, **switches)
        self.deleted: list[Deleted] = []
        self.database: PostgresDatabase | None = None
        self._moments: list[_Moment] = []
        self._noting = threading.Lock()

    def carried_out(self, method: str, part: str, act: Callable[[], object], after: int) -> None:
        """Act between the request after so many such ones, and its answer."""
        self._moments.append(_Moment(method, part, after, act))

    def serve(self, call: Call) -> tuple[Call, Reply]:
        had_it = self._who_has(call) if call.method == "DELETE" else []
        answered = super().serve(call)
        if call.method == "DELETE" and answered[1].status == 202:
            process = call.headers["user-agent"].removeprefix("worker/")
            self.deleted.append(Deleted(call.path, process, had_it))
        for moment in self._moments:
            if moment.method == call.method and moment.part in call.path:
                with self._noting:
                    moment.after -= 1
                    is_now = moment.after == -1
                if is_now:
                    moment.act()
        return answered

    def _who_has(self, call: Call) -> list[str]:
        """The process that has the unit of a repository; nobody can take it without a database."""
        if self.database is None:
            return []
        repository = call.path.removeprefix("/v2/").partition("/manifests/")[0]
        try:
            rows = self.database.rows(_WORKERS, (f"%/{repository}",))
        except StorageError:
            return []
        return [name.rpartition(" ")[2] for (name,) in rows] or ["nobody"]
