"""Which repositories an entry of the config is about, asked of the registries."""

from __future__ import annotations

from regbot.config.values import Repositories
from regbot.oci.reference import Reference
from regbot.store.protocol import ReadStores


def expanded(repositories: Repositories, stores: ReadStores) -> list[Reference]:
    """The repositories, in the order of the registry's list.

    The registry is asked for that only where the config doesn't name them all. Raises what
    ``ReadStores.repositories`` raises; a list that breaks off is never taken for the whole.
    """
    names = repositories.names
    if names is None:
        listed = stores.repositories(repositories.registry)
        names = tuple(filter(repositories.takes, listed))
    return [Reference("registry", repositories.registry, name) for name in dict.fromkeys(names)]
