"""The pages: all scripts, one run and its report, and the repositories."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING

from bottle import HTTPResponse

from regbot.errors import InvalidValue, NotFound
from regbot.journal.records import RunPage, ScriptRun
from regbot.report.lines import FIRST_KEYS, Fields, logfmt
from regbot.serve import overview
from regbot.serve.answers import Refused, page_headers
from regbot.serve.live import MOST_LINES
from regbot.serve.rendering import Rendering, static_files, without_paths

if TYPE_CHECKING:
    from bottle import Bottle

    from regbot.serve.site import Site

_MOST_AT_WORK = 50
"""Units that workers do now which the page of scripts shows."""
_MOST_UNITS = 100
"""Units that the page of a run shows."""
_NO_RUN = "there is no such run (old ones are forgotten)"
_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_FOR_EVER = "public, max-age=31536000, immutable"
_COUNTED_EVERY = 5.0
"""Seconds after which deletes are counted again, which takes one for 200,000 of them."""
_OWN_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"<>]+)"')


def add_to(app: Bottle, site: Site) -> None:
    """Add the routes."""
    pages = Pages(site)
    app.get("/", callback=pages.scripts)
    app.get("/runs/<run>", callback=pages.run)
    app.get("/runs/<run>/report", callback=pages.report)
    app.get("/repositories", callback=pages.repositories)
    app.get("/static/<_digest>/<name>", callback=pages.static)


class Pages:
    """The pages of a site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._service = site.service
        self._progress = site.units.progress if site.units else None
        self._rendering = Rendering(site.now)
        self._static = static_files()
        self._counting = threading.Lock()
        self._counted: tuple[float, overview.Repositories | None] = (0.0, None)

    def scripts(self) -> HTTPResponse:
        """Every script, and what needs attention."""
        states = self._service.states()
        journal, missed = self._service.journal, self._site.live.missed
        shared_runs = self._progress.going() if self._progress else []
        shared = {run.run for run in shared_runs}
        return self._page(
            "scripts",
            config=overview.config_name(self._service.config_path),
            now=self._site.now(),
            refused=self._service.reload_problem.splitlines(),
            plans=journal.plans_in("waiting", self._service.config_path) if journal else [],
            running=[run for run in self._site.live.running if run.id not in shared],
            has_units=self._progress is not None,
            shared_runs=shared_runs,
            at_work=self._progress.being_done(_MOST_AT_WORK) if self._progress else [],
            lines=[
                overview.script_line(state, journal, missed.get(state.script.name))
                for state in states
            ],
            has_token=self._site.settings.token is not None,
            is_recorded=journal is not None,
        )

    def run(self, run: str) -> HTTPResponse:
        """One run: its result, its units, what it deleted and how to undo that, and its log."""
        journal = self._service.journal
        progress = self._progress.of(run) if self._progress else None
        going = self._site.live.run(run)
        try:
            record, page = going or self._kept(run)
        except (NotFound, InvalidValue):
            if not progress:
                raise Refused(HTTPStatus.NOT_FOUND, _NO_RUN) from None
            record, page = overview.shared_run(progress), RunPage()
        if progress and not progress.status and record.status == "interrupted":
            record = replace(record, status="running")  # who handed it out is gone, and it goes on
        names_config = bool(self._service.config.state)
        deleted = journal.pages.deleted_by(run) if journal and record.status != "running" else []
        return self._page(
            "run",
            run=record,
            how=overview.how_it_came(record),
            did=overview.what_it_did(record),
            config=overview.config_name(record.config),
            is_live=bool(going) and record.status == "running",
            progress=progress,
            units=self._progress.first_of(run, _MOST_UNITS) if self._progress and progress else [],
            has_token=self._site.settings.token is not None,
            has_report=bool(page.report),
            repositories=deleted,
            undo=overview.undo_command(record, names_config=names_config),
            names_config=names_config,
            others=overview.other_runs(record, journal),
            lines=[log_line(line) for line in page.log],
            most=MOST_LINES,
        )

    def report(self, run: str) -> HTTPResponse:
        """The report of a run, a page of its own with its own policy."""
        try:
            _, page = self._site.live.run(run) or self._kept(run)
        except (NotFound, InvalidValue):
            page = RunPage()
        if not page.report:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no report of this run")
        return HTTPResponse(page.report, headers=page_headers(policy_of(page.report)))

    def repositories(self) -> HTTPResponse:
        """What was deleted and what was kept, by repository and day."""
        now = self._site.now()
        with self._counting:
            counted, shown = self._counted
            if not shown or not 0 <= now - counted < _COUNTED_EVERY:
                journal, today = self._service.journal, datetime.fromtimestamp(now, UTC).date()
                days = journal.pages.repository_days() if journal else []
                shown = overview.repositories(days, today)
                self._counted = now, shown
        return self._page("repositories", shown=shown)

    def static(self, _digest: str, name: str) -> HTTPResponse:
        """A file that pages name. Its address changes with it, so it may be kept."""
        text = self._static.get(name)
        if text is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such file")
        headers = {"Content-Type": _KINDS[name.rpartition(".")[2]], "Cache-Control": _FOR_EVER}
        return HTTPResponse(text, headers=headers)

    def _kept(self, run: str) -> tuple[ScriptRun, RunPage]:
        """A run that the journal has. Raises NotFound, InvalidValue and StorageError."""
        journal = self._service.journal
        if not journal:
            raise NotFound("nothing is recorded")
        return overview.run_of(journal, run), journal.pages.of(run)

    def _page(self, name: str, **values: object) -> HTTPResponse:
        return HTTPResponse(self._rendering.page(name, **values), headers=page_headers())


def policy_of(report: str) -> str:
    """The policy that a report names itself; one without is allowed nothing."""
    own_policy = _OWN_POLICY.search(report)
    policy = unescape(own_policy[1]) if own_policy else "default-src 'none'"
    return f"{policy}; frame-ancestors 'none'"


def log_line(line: Fields) -> Mapping[str, str]:
    """A line of a log as it is shown: the time of day, the level, what happened, and the rest."""
    others = {key: value for key, value in line.items() if key not in (*FIRST_KEYS, "script")}
    return {
        "time": str(line["time"])[11:19],
        "level": str(line["level"]),
        "text": without_paths(str(line["msg"])),
        "more": without_paths(logfmt(others)),
    }
