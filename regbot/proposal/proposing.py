"""Makes a proposal: looks at repositories, proposes rules, and counts what they would do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from regbot.config.load import load_config
from regbot.config.values import Config, Repositories
from regbot.errors import InternalError, InvalidValue, NotFound, RegbotError
from regbot.http.hosts import Origin
from regbot.oci.reference import Reference
from regbot.proposal.look import Inventory, count, look_at, names_in, within_reach
from regbot.proposal.pages import Access, Proposal, config_page, creds_page
from regbot.rules.policy import Policy
from regbot.stopping import Stop
from regbot.store.protocol import ReadStores

_T = TypeVar("_T")


class Watch(Protocol):
    """Hands on items one by one, and shows how far that is."""

    def __call__(self, items: Sequence[_T], label: str, /) -> Iterable[_T]:
        """The items; ``label`` says what is done with them."""
        ...


def config_of(text: str) -> Config:
    """A config that was proposed."""
    return load_config(text, filename="", environ=os.environ, base=Path.cwd())


def config_for(access: Access) -> Config:
    """A config for a look at a registry; messages say which variables its login is from."""
    config = config_of(creds_page(access))
    if access.login != "environment":
        return config
    origin = Origin("$REGISTRY_USER and $REGISTRY_PASSWORD")
    hosts = (
        replace(host, login=replace(host.login, origin=origin)) for host in config.client.hosts
    )
    return replace(config, client=replace(config.client, hosts=tuple(hosts)))


def propose(
    part: Repositories, access: Access, stores: ReadStores, stop: Stop, watch: Watch
) -> Proposal:
    """What is proposed for repositories, after a look at them.

    Raises RegbotError where there are no tags, and what reading them raises.
    """
    names, more = names_in(part, stores)
    looked_at = list(_inventories(part, watch(names, "looking at repositories"), stores, stop))
    inventories = tuple(within_reach(looked_at))
    if not inventories:
        raise RegbotError(f"{part.registry} has no repository with a tag")
    now = time.time()
    proposal = Proposal(
        access,
        tuple(each.repository for each in inventories),
        inventories,
        left_out=len(looked_at) - len(inventories) + more,
        date=time.strftime("%Y-%m-%d", time.gmtime(now)),
    )
    policy = config_of(config_page(proposal)).scripts[0].work
    if not isinstance(policy, Policy):
        raise InternalError(ValueError("the proposed config has no rules"))
    shown = watch(inventories, "reading the dates of builds")
    return replace(proposal, counts=tuple(count(each, policy, now) for each in shown))


def _inventories(
    part: Repositories, names: Iterable[str], stores: ReadStores, stop: Stop
) -> Iterator[Inventory]:
    for name in names:
        repository = Reference("registry", part.registry, name)
        try:
            inventory = look_at(repository.checked(), stores, stop)
        except (NotFound, InvalidValue):
            if part.names:
                raise
            continue
        if inventory:
            yield inventory
