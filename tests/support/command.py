"""Runs the installed ``regbot`` command as a user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

REGBOT = str(Path(sys.executable).with_name("regbot"))


def environment(home: Path, **more: str) -> dict[str, str]:
    """A plain environment with an empty HOME."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **more}


def regbot(
    *arguments: str,
    home: Path,
    stdin: str | bytes = "",
    variables: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; output and exit code come back."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [REGBOT, *arguments],
        input=data,
        capture_output=True,
        env=environment(home, **(variables or {})),
        cwd=cwd,
        timeout=120,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@contextmanager
def servers(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts servers, each of a config with further arguments; they are killed at the end."""
    begun: list[subprocess.Popen[str]] = []

    def start(config: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [REGBOT, "server", "-c", config, *arguments],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(home),
            text=True,
        )
        begun.append(process)
        return process

    try:
        yield start
    finally:
        for process in begun:
            process.kill()
            process.communicate()


def log_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """The next lines of a log, up to the first that has these words."""
    lines: list[str] = []
    for line in process.stderr or ():
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} was never logged: {''.join(lines)}")


def last_line(output: str) -> str:
    """The summary at the end, without the time it took and without the way back."""
    text, _, _ = output.splitlines()[-1].partition("; undo with: ")
    return re.sub(r" in ([0-9.]+[hms])+(?=;|$)", "", text)
