"""What the server and the proxy can do at most, as wrk finds out where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess

from benchmark.filling import MANIFEST, tag_name
from benchmark.site import Site

CONNECTIONS = 16
SECONDS = 3


def limits(site: Site) -> dict[str, str]:
    """GETs of a manifest a second, asked directly and through the proxy."""
    wrk = shutil.which("wrk")
    if not wrk:
        return {"server alone": "not measured, since wrk is not installed"}
    site.line.delay(0)
    return {
        "server alone": f"{rate(wrk, site.registry.host, site.scanned)} manifests/s (wrk, "
        f"{CONNECTIONS} connections)",
        "server and proxy": f"{rate(wrk, site.line.host, site.scanned)} manifests/s",
    }


def rate(wrk: str, host: str, repository: str) -> str:
    """Requests a second to one host."""
    url = f"http://{host}/v2/{repository}/manifests/{tag_name(0)}"
    options = ["-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-H", f"Accept: {MANIFEST}"]
    done = subprocess.run([wrk, *options, url], check=True, capture_output=True, text=True)
    found = re.search(r"Requests/sec:\s+(\d+)", done.stdout)
    return str(found[1]) if found else "unknown"
