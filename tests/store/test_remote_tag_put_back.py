"""Every DELETE of a swap fails: the tag gets its manifest back, whatever else is slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clients import Client
from support.deleting import Time
from support.images import make_image, push
from support.proxying import FaultProxy
from support.registry import DISTRIBUTION_2, Fault, TestRegistry
from support.servers import docker_registry
from support.tagged import APP, BY_DIGEST, delete_tag

from regbot.errors import RegbotError
from regbot.events import LeftBehind
from regbot.oci.tag import Tag
from regbot.stopping import Stop

OLD = Tag("old")
Break = Callable[..., None]


@pytest.fixture(params=["in memory", "docker-registry"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Break]]:
    """The host of a registry that deletes no tags by name, and what breaks its requests."""
    if request.param == "in memory":
        with TestRegistry(DISTRIBUTION_2) as registry:
            yield registry.host, registry.break_next
        return
    with docker_registry(tmp_path / "real") as real, FaultProxy(real.host) as proxy:
        yield proxy.host, lambda *which, **how: proxy.faults.plan(Fault(*which, **how))


@pytest.mark.parametrize("answered_push", [False, True])
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("status", {"status": 429}),
        ("status", {"status": 429, "headers": {"Retry-After": "60"}}),
        ("status", {"status": 500}),
        ("status", {"status": 503, "headers": {"Retry-After": "60"}}),
        ("drop", {}),
    ],
)
def test_the_old_manifest_is_back(
    place: tuple[str, Break], kind: str, how: dict[str, Any], answered_push: bool
) -> None:
    """Though the host asks for a minute's pause and the script has 20 s."""
    host, break_next = place
    time = Time()
    stop = Stop(timeout=20.0, clock=time.clock, sleep=time.sleep)
    with Client(host, stop=stop, clock=time.clock) as client:
        store = client.store()
        old = push(store, make_image(labels={"n": "old"}), "old")
        break_next(kind, "DELETE", BY_DIGEST, after=1, times=100, **how)
        if answered_push:
            break_next("otherwise", "PUT", "/manifests/old", status=500)
        with pytest.raises(RegbotError):
            delete_tag(store, OLD)
        assert not any(isinstance(event, LeftBehind) for event in client.events)
    with Client(host) as later:
        assert later.store().head(OLD).digest == old.digest


def test_what_can_not_be_put_back_is_an_event_with_the_way_back(place: tuple[str, Break]) -> None:
    """A registry that answers 503 to everything for longer than a minute."""
    host, break_next = place
    time = Time()
    with Client(host, stop=Stop(clock=time.clock, sleep=time.sleep), clock=time.clock) as client:
        store = client.store()
        old = push(store, make_image(labels={"n": "old"}), "old")
        break_next("status", "DELETE", BY_DIGEST, after=1, times=1000, status=503)
        break_next("status", "PUT", "/manifests/old", after=1, times=1000, status=503)
        with pytest.raises(RegbotError, match=f"put {old.digest} back"):
            delete_tag(store, OLD)
        assert LeftBehind(f"{host}/{APP}:old", str(old.digest)) in client.events
