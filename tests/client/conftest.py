"""A registry that wants a login, and a home of its own for whatever a client keeps."""

from __future__ import annotations

import pytest
from support.images import make_image
from support.library import USERS
from support.registry import TestRegistry


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The home of the test: the journal is there, unless a test names another place."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def registry():
    with TestRegistry(users=USERS, auth="basic") as registry:
        registry.put_image("app", "old-1", labels={"a": "b"}, created="2024-05-06T07:08:09Z")
        registry.put_image("app", "new", labels={"c": "d"})
        children = {name: make_image(platform=name) for name in ("linux/amd64", "linux/arm64")}
        registry.put_index("app", "multi", children)
        yield registry
