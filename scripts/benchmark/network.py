"""The way between a program and its registry, which can be made longer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROXY = Path(__file__).parents[1] / "delaying_proxy.py"


class DelayingProxy:
    """A running ``scripts/delaying_proxy.py``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.host = f"127.0.0.1:{self._answer()['port']}"

    def delay(self, milliseconds: float) -> None:
        """Set the round trip."""
        self._ask(f"delay {milliseconds}")

    def requests(self) -> dict[str, int]:
        """Requests by method since the last call."""
        counted: dict[str, int] = self._ask("counts")["requests"]
        return counted

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def delaying_proxy(upstream: str, *options: str) -> Iterator[DelayingProxy]:
    """A proxy in front of ``upstream`` (host:port), until the end of the block."""
    command = [sys.executable, str(PROXY), upstream, *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield DelayingProxy(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
