"""Clients of the Python library over a test registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from regbot import Client, HostSettings, Login, Secret
from support.registry import TestRegistry

USERS = {"robot": "s3cret"}


def connect(registry: TestRegistry, **arguments: Any) -> Client:
    """A client that is logged in at a registry of ``USERS``."""
    host = HostSettings(registry.host, tls="disabled", login=Login("robot", Secret("s3cret")))
    return Client(hosts=[host], docker_config=False, **arguments)


def write_config(folder: Path, registry: TestRegistry, **defaults: Any) -> Path:
    """A config for the same registry, with one script that does nothing."""
    creds = {"registry": registry.host, "tls": "disabled", "user": "robot", "pass": "s3cret"}
    script = {"name": "a", "script": "return"}
    path = folder / "bot.yml"
    path.write_text(json.dumps({"creds": [creds], "defaults": defaults, "scripts": [script]}))
    return path
