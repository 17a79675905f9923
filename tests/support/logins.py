"""A user whom a registry in memory lets in, with a password or with tokens."""

from __future__ import annotations

import json
from typing import Any

from regbot.http.hosts import HostSettings, Login, Secret
from support.httpclient import Web, plain, pull
from support.registry import Quirks, TestRegistry

USERS = {"joe": "geheim"}
BEARER = Quirks(auth="bearer", users=USERS)


def joe(registry: TestRegistry, **more: Any) -> HostSettings:
    """The settings of a registry with joe's password."""
    return plain(registry.host, login=Login("joe", Secret("geheim")), **more)


def fill(registry: TestRegistry, *names: str) -> None:
    """Put an image on the tag ``v1`` of each repository, by default ``app``."""
    for name in names or ("app",):
        registry.put_image(name, "v1")


def tags(client: Web, registry: TestRegistry, name: str = "app") -> Any:
    """The tags of a repository, read with what it takes to pull."""
    return json.loads(client.get(registry.host, f"/v2/{name}/tags/list", scopes=pull(name)))["tags"]
