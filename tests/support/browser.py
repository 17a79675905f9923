"""A headless Chromium, driven over the WebDriver protocol (W3C WebDriver)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from support.servers import free_port, program, running

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = ("--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage")


@dataclass(frozen=True, slots=True)
class Browser:
    """One window. ``url`` is that of its session."""

    url: str

    def call(self, method: str, path: str, **body: Any) -> Any:
        """One command; what it returns."""
        data = json.dumps(body) if method == "POST" else None
        answer = requests.request(method, self.url + path, data=data, timeout=60)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def open(self, page: Path) -> None:
        self.call("POST", "/url", url=page.as_uri())

    def run(self, script: str, *args: Any) -> Any:
        """What a function body returns, run in the page."""
        return self.call("POST", "/execute/sync", script=script, args=list(args))

    def wait(self, script: str, *args: Any) -> Any:
        """What a function body hands to its last argument."""
        return self.call("POST", "/execute/async", script=script, args=list(args))

    def find(self, selector: str) -> str:
        """The path of the first element that fits."""
        found = self.call("POST", "/element", using="css selector", value=selector)
        return f"/element/{found[_ELEMENT]}"

    def click(self, selector: str) -> None:
        self.call("POST", f"{self.find(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        self.call("POST", f"{self.find(selector)}/value", text=text)

    def resize(self, width: int, height: int) -> None:
        self.call("POST", "/window/rect", width=width, height=height)

    def requested(self) -> list[str]:
        """The URLs that pages asked for since the last call, the browser's own pages aside."""
        entries = self.call("POST", "/se/log", type="performance")
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        urls: list[str] = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("chrome:")]

    def complaints(self) -> list[str]:
        """What the browser said of the page, such as what its policy stopped."""
        return [entry["message"] for entry in self.call("POST", "/se/log", type="browser")]


@contextmanager
def chromium(folder: Path, *flags: str) -> Iterator[Browser]:
    """A browser that keeps its profile below ``folder``."""
    binary, driver = program("chromium"), program("chromedriver", "chromium-driver")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    own = [*_FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"]
    own += ["--no-sandbox"] if os.geteuid() == 0 else []
    wanted = {
        "goog:chromeOptions": {"binary": binary, "args": own},
        "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
    }

    def answers() -> bool:
        try:
            return bool(requests.get(f"{base}/status", timeout=5).json()["value"]["ready"])
        except requests.RequestException:
            return False

    with running([driver, f"--port={port}"], folder / "chromedriver.log", answers):
        start = Browser(f"{base}/session")
        session = start.call("POST", "", capabilities={"alwaysMatch": wanted})["sessionId"]
        try:
            yield Browser(f"{base}/session/{session}")
        finally:
            requests.delete(f"{base}/session/{session}", timeout=60)
