"""Runs the installed ``regbot`` command as a user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
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


def last_line(output: str) -> str:
    """The summary at the end, without the time it took and without the way back."""
    text, _, _ = output.splitlines()[-1].partition("; undo with: ")
    return re.sub(r" in ([0-9.]+[hms])+(?=;|$)", "", text)
