"""A registry in memory, on loopback, with switches for faults and quirks.

    with TestRegistry(DISTRIBUTION_2, page_size=50) as registry:
        digest = registry.put_image("team/app", "v1", labels={"a": "b"})
        ...  # ask registry.host, an address such as 127.0.0.1:41234, over plain HTTP
        assert registry.tags("team/app") == {"v1": digest}

``quirks.py`` names every switch, ``faults.py`` what can be made to break.
"""

from support.registry.faults import Fault
from support.registry.quirks import (
    ACR,
    DELETE_OFF,
    DISTRIBUTION_2,
    DISTRIBUTION_3,
    DOCKER_HUB,
    ECR,
    GCR,
    GHCR,
    GITLAB,
    HARBOR,
    QUAY,
    Quirks,
)
from support.registry.server import TestRegistry

__all__ = [
    "ACR",
    "DELETE_OFF",
    "DISTRIBUTION_2",
    "DISTRIBUTION_3",
    "DOCKER_HUB",
    "ECR",
    "GCR",
    "GHCR",
    "GITLAB",
    "HARBOR",
    "QUAY",
    "Fault",
    "Quirks",
    "TestRegistry",
]
