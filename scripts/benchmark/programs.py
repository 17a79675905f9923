"""The programs that are held against each other, and how they are told what to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from support.command import environment

Kind = Literal["regbot", "peer", "regsync", "skopeo", "cluster"]
WORKERS = ("in one process", "one worker", "two workers")
PLAIN: Mapping[str, Any] = {"readahead": 0, "cache": False}


@dataclass(frozen=True, slots=True)
class Program:
    """A program by the name of its rows.

    ``kind``: a regbot of this project, the Go program of that name (its peer), the Go program
    regsync, skopeo, or a regbot with ``workers``; without any it does all of a run in one
    process.
    ``defaults`` is the section of the config, with what is to be measured.
    """

    name: str
    executable: str
    kind: Kind = "regbot"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 0

    @property
    def caches(self) -> bool:
        """Whether it keeps what it read for its next run."""
        return self.kind == "regbot" and not self.defaults

    def write_config(
        self,
        path: Path,
        hosts: Sequence[str],
        script: str,
        repositories: object = None,
        **settings: object,
    ) -> Path:
        """Write a config with one script; ``settings`` are more keys of ``defaults``."""
        scripts: dict[str, object] = {"name": "bench", "script": script, "timeout": "60m"}
        if repositories:
            scripts["repositories"] = repositories
        config = {
            "version": 1,
            "creds": [{"registry": host, "tls": "disabled"} for host in hosts],
            "defaults": {**self.defaults, **settings},
            "scripts": [scripts],
        }
        path.write_text(json.dumps(config, indent=1))
        return path

    def refusal(self, folder: Path) -> str:
        """Why the program can't be measured with these settings; empty when it can."""
        if self.kind != "regbot":
            return ""
        config = self.write_config(folder / "refusal.yml", ["127.0.0.1:1"], "log('x')")
        done = subprocess.run(
            [self.executable, "check", "-c", str(config)],
            env=environment(folder),
            check=False,
            capture_output=True,
            text=True,
        )
        if not done.returncode:
            return ""
        return (done.stdout + done.stderr).strip().splitlines()[0].removeprefix(f"{config}:")


def programs(executables: Mapping[str, str], others: Mapping[Kind, str]) -> list[Program]:
    """The programs of a run, in the order of their rows.

    Each executable comes twice, as it is and without read-ahead and cache; then the others,
    where there is a path; then each executable alone and with one worker and two.
    """
    rows = []
    for name, executable in executables.items():
        rows.append(Program(name, executable))
        rows.append(Program(f"{name}, readahead: 0, cache: off", executable, defaults=PLAIN))
    rows += [Program(kind, path, kind) for kind, path in others.items() if path]
    return rows + [
        Program(f"{name}, {how}", executable, "cluster", workers=workers)
        for name, executable in executables.items()
        for workers, how in enumerate(WORKERS)
    ]
