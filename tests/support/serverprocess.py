"""A real ``regbot server --listen``, whose scripts are due as soon as it starts."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests

from regbot.config.values import Config
from regbot.journal.opening import open_journal
from regbot.journal.records import ScriptRun
from regbot.run.timetable import rule_text
from support.command import REGBOT, environment
from support.configs import load

_HOUR = 3600.0


@dataclass
class Serving:
    """A server, which answers at ``url``; ``folder`` has its config and its journal."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    def get(self, path: str, **settings: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=30, **settings)

    def runs(self, script: str) -> list[ScriptRun]:
        """The runs of a script, newest first, without those that were there before."""
        with open_journal(self.folder / "state") as journal:
            runs = journal.script_runs.all()
        return [run for run in runs if run.script == script and run.kind != "before"]

    def ended(self, script: str) -> ScriptRun:
        """The last run of a script, when it has ended and left its page."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for run in self.runs(script):
                if run.status != "running" and self.has_page(run):
                    return run
            time.sleep(0.05)
        raise AssertionError(f"{script} does not end:\n{''.join(self.log)}")

    def has_page(self, run: ScriptRun) -> bool:
        with open_journal(self.folder / "state") as journal:
            return bool(journal.pages.of(run.id).log)


def write_config(folder: Path, scripts: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    """A config whose scripts run each hour, with its journal beside it."""
    path = folder / "regbot.yml"
    own = [{"interval": "1h", **script} for script in scripts]
    defaults = {"state": "state", "parallel": len(own)}
    path.write_text(json.dumps({"defaults": defaults, "scripts": own, **more}))
    return path


def make_due(path: Path, *, took: Sequence[float] = (3.0, 5.0, 4.0)) -> None:
    """Have each script of a config run before, so that it is due now. Its runs ``took`` so long."""
    config: Config = load(path.read_text(), base=path.parent)
    now = time.time()
    with open_journal(path.parent / "state") as journal:
        for script in config.scripts:
            for ago, seconds in zip(range(len(took), 0, -1), took, strict=True):
                at = now - ago * _HOUR - 2
                run = ScriptRun("", script.name, "before", str(path), at, rule_text(script), due=at)
                begun = journal.script_runs.begin(run)
                journal.script_runs.end(replace(begun, ended=at + seconds, status="done"))


@contextmanager
def serving(path: Path, *arguments: str) -> Iterator[Serving]:
    """The server of a config, on a free port, until the end of the block."""
    process = subprocess.Popen(
        [REGBOT, "server", "-c", str(path), "--listen", "127.0.0.1:0", *arguments],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment(path.parent),
        cwd=path.parent,
        text=True,
    )
    server = Serving("", path.parent, process)
    try:
        assert process.stderr
        for line in process.stderr:
            server.log.append(line)
            listening = re.search(r"msg=listening.* url=(\S+)", line)
            if listening:
                server.url = listening[1]
                break
        assert server.url, "".join(server.log)
        reader = threading.Thread(target=lambda: server.log.extend(process.stderr or ()))
        reader.start()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if server.url:
            reader.join()
        if process.stderr:
            process.stderr.close()
