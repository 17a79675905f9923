"""Configs with one script, run by the installed command at its most talkative."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore
from support.command import regbot
from support.images import make_image, push

LIFE = """
local host, app, layout = args.host, args.host .. "/team/app", args.layout
for _, name in ipairs({"v1", "v2"}) do image.copy(layout .. ":" .. name, app .. ":" .. name) end
assert(image.config(app .. ":v1").Config.Labels.n == "1")
tag.delete(app .. ":v2")
log("tags: " .. table.concat(tag.ls(app), " "))
log("repositories: " .. table.concat(repo.ls(host), " "))
"""
"""Pushes two images, pulls, deletes one tag, and lists."""


def run_bot(
    folder: Path,
    script: str,
    host: str,
    *arguments: str,
    creds: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
    more: Sequence[Mapping[str, Any]] = (),
    **settings: Any,
) -> subprocess.CompletedProcess[str]:
    """Run ``once -v trace`` over a script that finds ``args.host`` and ``args.layout``.

    ``creds`` are settings of the host, ``more`` those of others, ``settings`` the script's.
    """
    layout = folder / "layout"
    if not layout.exists():
        store = OciDirStore(Reference.parse(f"ocidir://{layout}"))
        for number in (1, 2):
            push(store, make_image(labels={"n": str(number)}), f"v{number}")
    args = {"host": host, "layout": f"ocidir://{layout}"}
    config = {
        "creds": [{"registry": host, **(creds or {})}, *more],
        "defaults": {"workDir": str(folder)},
        "scripts": [{"name": "bot", "script": script, "args": args, "timeout": "60s", **settings}],
    }
    path = folder / "bot.yml"
    path.write_text(json.dumps(config))
    command = ("once", "-c", str(path), "-v", "trace", *arguments)
    return regbot(*command, home=folder, variables=variables)


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says why the script failed."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    return line


def lived(done: subprocess.CompletedProcess[str]) -> None:
    """LIFE went well to its end."""
    assert done.returncode == 0, done.stderr
    assert 'msg="tags: v1"' in done.stderr
    assert 'msg="repositories: team/app"' in done.stderr


def leaks(done: subprocess.CompletedProcess[str], user: str, *secrets: str) -> list[str]:
    """The secrets that a command showed, in any form they have on the wire."""
    shown = done.stdout + done.stderr
    return [secret for secret in secrets if any(form in shown for form in _forms(user, secret))]


def _forms(user: str, secret: str) -> set[str]:
    texts = {secret, f"{user}:{secret}", f"<token>:{secret}"}
    forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    for text in texts:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(text.encode()).decode().rstrip("="))
    if secret.count(".") == 2 and secret.startswith("ey"):
        forms |= set(secret.split(".")[1:])
    return forms
