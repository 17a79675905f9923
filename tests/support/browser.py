"""A headless Chromium, driven over the WebDriver protocol (W3C WebDriver)."""

from __future__ import annotations

import base64
import json
import os
import time
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

    def open(self, page: Path | str) -> None:
        """Open a file, or a URL."""
        self.call("POST", "/url", url=page.as_uri() if isinstance(page, Path) else page)

    def run(self, script: str, *args: Any) -> Any:
        """What a function body returns, run in the page."""
        return self.call("POST", "/execute/sync", script=script, args=list(args))

    def wait(self, script: str, *args: Any) -> Any:
        """What a function body hands to its last argument."""
        return self.call("POST", "/execute/async", script=script, args=list(args))

    def until(self, condition: str) -> None:
        """Wait until a condition holds in the page, which may be loaded anew meanwhile."""
        deadline = time.monotonic() + 60
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, self.run("return document.body.innerText")
            time.sleep(0.05)

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

    def cdp(self, command: str, **parameters: Any) -> Any:
        """One command of the Chrome DevTools protocol; what it returns."""
        return self.call("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def look_like(self, *, width: int = 1280, scheme: str = "light") -> None:
        """Be as wide as this, a phone where that is little, and prefer light or dark."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.cdp("Emulation.setEmulatedMedia", media="", features=features)

    def press(self, key: str) -> None:
        """Press a key; those without a character have the code points of WebDriver."""
        presses = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": presses}])

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page in the folder $REGBOT_SCREENSHOTS, if it is set."""
        folder = os.environ.get("REGBOT_SCREENSHOTS")
        if folder:
            picture = self.cdp("Page.captureScreenshot", captureBeyondViewport=True)
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def accessibility(self) -> list[str]:
        """What axe-core finds wrong with the page, each as a rule with the elements."""
        from axe_core_python.base import AXE_SCRIPT

        self.run(AXE_SCRIPT)
        found = self.wait("const done = arguments[0]; axe.run(document).then(done)")
        return [
            f"{rule['impact']} {rule['id']}: {[node['html'] for node in rule['nodes']]}"
            for rule in found["violations"]
        ]

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
