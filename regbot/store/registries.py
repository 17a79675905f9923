"""Which registry a host is, and how that one deletes: one table.

A registry is known by its name, or by the challenge that asks for a login
(``WWW-Authenticate``). What can be seen from the answers themselves needs no entry.
"""

from __future__ import annotations

import re

from regbot.http.exchange import Exchange
from regbot.values import dataclass

_USUAL_SECONDS = 3.5


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of registry.

    ``hosts`` and ``challenge`` are patterns it is known by: the whole host without its
    port, a part of the challenge; one without either can't be told from others. ``needs``:
    what has to be done there instead, where a tag can't be deleted by its name and no
    placeholder may be put on it. ``enable``: how deletes are switched on.
    ``last_tag_takes_manifest``: a manifest goes with its last tag. ``lists_deleted``: a
    tag may stay in the list after its manifest was deleted. ``settles_within``: seconds
    until a delete that was accepted is carried out.
    """

    name: str
    hosts: str = ""
    challenge: str = ""
    needs: str = ""
    enable: str = ""
    last_tag_takes_manifest: bool = False
    lists_deleted: bool = False
    settles_within: float = _USUAL_SECONDS


USUAL = Kind("the registry")

KINDS = (
    Kind("distribution", enable="start it with REGISTRY_STORAGE_DELETE_ENABLED=true"),
    Kind(
        "Harbor",
        challenge=r'service="harbor-registry"',
        enable="end read-only mode under Administration, Configuration",
    ),
    Kind(
        "GitLab",
        hosts=r"registry\.gitlab\.com",
        challenge=r'realm="[^"]*/jwt/auth",\s*service="container_registry"',
        enable="set registry['storage_delete_enabled'] = true in gitlab.rb",
    ),
    Kind(
        "Quay",
        hosts=r"quay\.io",
        challenge=r'realm="[^"]*/v2/auth"',
        enable="set REGISTRY_STATE: normal in its config.yaml",
    ),
    Kind(
        "GitHub's registry",
        hosts=r"ghcr\.io",
        needs="delete the version of the package with GitHub's API for packages, which takes"
        " all tags of that version",
    ),
    Kind(
        "Docker Hub",
        hosts=r"docker\.io|index\.docker\.io|registry-1\.docker\.io",
        needs="delete the tag with Docker Hub's own API or on its web page",
    ),
    Kind(
        "Google's registry",
        hosts=r".+-docker\.pkg\.dev|(?:.+\.)?gcr\.io",
        needs="give the account the right to delete tags (artifactregistry.tags.delete)",
    ),
    Kind(
        "Amazon ECR",
        hosts=r".+\.dkr[.-]ecr.*\.(?:amazonaws\.com(?:\.cn)?|on\.aws)|public\.ecr\.aws",
        last_tag_takes_manifest=True,
    ),
    Kind(
        "Gitea or Forgejo",
        hosts=r"codeberg\.org|gitea\.com",
        challenge=r'realm="[^"]*/v2/token",\s*service="container_registry"',
        last_tag_takes_manifest=True,
    ),
    Kind(
        "Nexus",
        challenge=r'Sonatype Nexus|realm="([^"]+/v2/token)",\s*service="\1"',
        lists_deleted=True,
    ),
    Kind("Pulp", challenge=r'realm="[^"]*/token/"', settles_within=60.0),
)


def why_no_deletes(kind: Kind) -> str:
    """What it means that a registry answers that it does not delete at all."""
    if kind.needs or kind.enable:
        return f"{kind.name} does not delete as it is set up"
    return "deletes seem to be switched off there"


def how_to_delete(kind: Kind, registry: str) -> str:
    """What to do then, which is the same for all deletes at a registry."""
    if kind.needs or kind.enable:
        return f"to delete at {registry}, {kind.needs or kind.enable}"
    ways = "; ".join(f"{each.name}: {each.enable}" for each in KINDS if each.enable)
    return f"to delete at {registry}, switch deletes on there ({ways})"


def kind_of(exchange: Exchange, registry: str) -> Kind:
    """What a registry is, as far as is known by now.

    Its challenge is known once it was asked for something.
    """
    hosts = {registry, exchange.host(registry).address}
    names = [re.sub(r":\d+$", "", host) for host in hosts]
    challenge = exchange.challenge(registry)
    for kind in KINDS:
        if kind.hosts and any(re.fullmatch(kind.hosts, name) for name in names):
            return kind
        if kind.challenge and re.search(kind.challenge, challenge):
            return kind
    return USUAL
