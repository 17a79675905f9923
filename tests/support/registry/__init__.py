"""A registry in memory, on loopback, with switches for faults and quirks.

    with TestRegistry(DISTRIBUTION_2, page_size=50) as registry:
        digest = registry.put_image("team/app", "v1", labels={"a": "b"})
        ...  # ask registry.host, an address such as 127.0.0.1:41234, over plain HTTP
        assert registry.tags("team/app") == {"v1": digest}

``quirks.py`` names every switch, ``presets.py`` has known registries, ``faults.py``
what can be made to break.
"""

from support.registry.faults import Fault
from support.registry.presets import (
    ACR,
    CACHE,
    DELETE_OFF,
    DISTRIBUTION_2,
    DISTRIBUTION_3,
    DOCKER_HUB,
    ECR,
    GAR,
    GCR,
    GHCR,
    GITEA,
    GITLAB,
    HARBOR,
    NEXUS,
    OLAREG,
    PRESETS,
    PULP,
    QUAY,
    QUAY_3_12,
)
from support.registry.quirks import Quirks
from support.registry.server import TestRegistry

__all__ = [
    "ACR",
    "CACHE",
    "DELETE_OFF",
    "DISTRIBUTION_2",
    "DISTRIBUTION_3",
    "DOCKER_HUB",
    "ECR",
    "GAR",
    "GCR",
    "GHCR",
    "GITEA",
    "GITLAB",
    "HARBOR",
    "NEXUS",
    "OLAREG",
    "PRESETS",
    "PULP",
    "QUAY",
    "QUAY_3_12",
    "Fault",
    "Quirks",
    "TestRegistry",
]
