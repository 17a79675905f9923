"""A folder with a config, its journal and its plans, and the command run over them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbot.journal.opening import has_state, open_journal
from regbot.journal.place import DatabaseUrl, State
from regbot.journal.records import ActionRecord
from support.command import REGBOT, environment, regbot
from support.images import make_image
from support.registry import TestRegistry

APP = "team/app"
DAY = 86400
OLD = "2020-01-01T00:00:00Z"

DELETE_OLD = """
for _, name in ipairs(tag.ls(app)) do
  if name:match("^old") then tag.delete(app .. ":" .. name, {reason = "it is old"}) end
end
"""
"""Deletes the tags of ``app`` that begin with ``old``."""


@dataclass(frozen=True, slots=True)
class Bot:
    """One config over one registry. Scripts find their repository in ``app``.

    Its state is in a folder, or in the database with the URL ``database``.
    """

    folder: Path
    registry: TestRegistry
    database: str = ""

    @property
    def app(self) -> str:
        return f"{self.registry.host}/{APP}"

    @property
    def state(self) -> State:
        return DatabaseUrl.parse(self.database) if self.database else self.folder / "state"

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan.json"

    def configure(self, script: str = DELETE_OLD, **more: Any) -> None:
        """One script, ``clean``; ``more`` are its settings. Defaults are kept."""
        self.configure_all({"clean": {"script": script, **more}})

    def configure_all(
        self,
        scripts: Mapping[str, Mapping[str, Any]],
        creds: Sequence[Mapping[str, Any]] = (),
        **defaults: Any,
    ) -> None:
        """Several scripts by name, with more ``creds`` and the ``defaults`` of the config."""
        given = f'local app = "{self.app}"\n'
        anonymous = {"registry": self.registry.host, "tls": "disabled"}
        hosts = {entry["registry"]: entry for entry in (anonymous, *creds)}
        config = {
            "creds": list(hosts.values()),
            "defaults": {"timeout": "60s", "workDir": ".", "state": self._state(), **defaults},
            "scripts": [
                {"name": name, **own, "script": given + own["script"]}
                for name, own in scripts.items()
            ],
        }
        (self.folder / "bot.yml").write_text(json.dumps(config))

    def _state(self) -> str:
        """How the config names the state; the password is in a file."""
        if not self.database:
            return "state"
        (self.folder / "database").write_text(self.database)
        return '{{file "database"}}'

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command over the config; nothing but one line is ever said of wrong input."""
        done = regbot(command, *arguments, "-c", "bot.yml", home=self.folder, cwd=self.folder)
        assert "Traceback" not in done.stderr
        return done

    def start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that runs on; its output is thrown away."""
        return subprocess.Popen(
            [REGBOT, command, *arguments, "-c", "bot.yml"],
            env=environment(self.folder),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start_logged(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that runs on; what it writes is in the files ``stdout`` and ``stderr``."""
        out, err = ((self.folder / name).open("wb") for name in ("stdout", "stderr"))
        with out, err:
            return subprocess.Popen(
                [REGBOT, command, *arguments, "-c", "bot.yml"],
                env=environment(self.folder),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @contextmanager
    def server(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A server until the end of the block, where it is killed if it is still there.

        What it writes is in the files ``stdout`` and ``stderr``.
        """
        running = self.start_logged("server", *arguments)
        try:
            yield running
        finally:
            running.kill()
            running.wait()

    def make_plan(self, *arguments: str) -> dict[str, Any]:
        """Plan to ``plan_file``; what it holds."""
        done = self.run("plan", "-o", "plan.json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(self.plan_file.read_text())

    def apply(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("apply", "plan.json", *arguments)

    def journalled(self) -> dict[str, list[ActionRecord]]:
        """The actions of every run by its id, the newest run first."""
        if not has_state(self.state):
            return {}
        with open_journal(self.state) as journal:
            return {run.id: journal.actions(run.id) for run in journal.runs()}

    def wrote(self) -> list[str]:
        """Requests that change something, such as ``DELETE /v2/team/app/manifests/old1``."""
        return [
            f"{entry.method} {entry.path}"
            for entry in self.registry.requests
            if entry.method not in ("GET", "HEAD")
        ]

    def fill(self, old: int = 3, new: int = 2) -> dict[str, str]:
        """Tags ``old0``.. of their own digests and of 2020, ``new0``.. likewise of 2024."""
        for number in range(old):
            self.registry.put_image(APP, f"old{number}", created=OLD, labels={"n": str(number)})
        for number in range(new):
            self.registry.put_image(APP, f"new{number}", labels={"n": str(number)})
        return dict(self.registry.tags(APP))


@contextmanager
def bot_in(folder: Path, *quirks: Any, database: str = "", **switches: Any) -> Iterator[Bot]:
    """A bot over a registry of its own."""
    with TestRegistry(*quirks, **switches) as registry:
        yield Bot(folder, registry, database)


def index_of(*platforms: str, **how: Any) -> dict[str, Any]:
    """Children of an index by platform."""
    return {platform: make_image(platform=platform, **how) for platform in platforms}
