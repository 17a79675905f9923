"""Registries that people use, as far as clients can tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from support.registry.quirks import Quirks

DISTRIBUTION_3 = Quirks(page_size=1000, referrers_api=False)
DISTRIBUTION_2 = Quirks(tag_delete="digest invalid", referrers_api=False)
DELETE_OFF = Quirks(tag_delete="unsupported", manifest_delete="unsupported", referrers_api=False)
CACHE = replace(DISTRIBUTION_3, refetches=True)
DOCKER_HUB = Quirks(
    name="docker.io",
    auth="bearer",
    own_token_server=True,
    anonymous_pull=True,
    catalog=False,
    page_size=100,
    rate_limit=100,
    tag_delete="unsupported",
    manifest_delete="only proofs",
    blob_redirect=True,
)
QUAY = Quirks(
    page_size=50,
    page_parameter="next_page",
    needs_layer=True,
    auth="bearer",
    token_actions=("pull", "push", "*"),
    delete_action="push",
    realm="{url}/v2/auth",
    protection=(409, "TAG_IMMUTABLE"),
)
QUAY_3_12 = replace(QUAY, tag_delete="unsupported", hidden_tags=True)
GCR = Quirks(name="gcr.io", auth="bearer", challenge_on_ping=False, anonymous_pull=True)
GAR = replace(GCR, name="europe-docker.pkg.dev", manifest_delete="dangling tag")
ACR = Quirks(auth="bearer", scope_limit=2, token_field="access_token", identity_tokens={})
ECR = Quirks(
    name="123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    auth="basic",
    token_seconds=12 * 3600,
    catalog=True,
    page_size=100,
    last_tag=True,
)
GHCR = Quirks(
    name="ghcr.io",
    auth="bearer",
    anonymous_pull=True,
    referrers_api=False,
    tag_delete="unsupported",
    manifest_delete="unsupported",
)
GITEA = Quirks(
    auth="bearer",
    realm="{url}/v2/token",
    service="container_registry",
    last_tag=True,
    referrers_api=False,
)
HARBOR = Quirks(
    auth="bearer",
    realm="{url}/service/token",
    service="harbor-registry",
    page_size=100,
    location="relative",
    changing_location=True,
    tag_delete="bad request",
    protection=(412, "PRECONDITION"),
)
GITLAB = Quirks(
    auth="bearer",
    own_token_server=True,
    token_redirect=True,
    realm="{url}/jwt/auth",
    service="container_registry",
    protection=(401, "PROTECTED_TAG"),
)
PULP = Quirks(auth="bearer", realm="{url}/token/", tag_delete="invalid request", delete_after=6)
NEXUS = Quirks(
    auth="bearer",
    realm="{url}/v2/token",
    service="{url}/v2/token",
    tag_delete="unknown",
    lists_deleted=True,
)
OLAREG = Quirks(delists=True)

PRESETS: Mapping[str, Quirks] = {
    "distribution 2": DISTRIBUTION_2,
    "distribution 3": DISTRIBUTION_3,
    "delete off": DELETE_OFF,
    "pull-through cache": CACHE,
    "Docker Hub": DOCKER_HUB,
    "Quay": QUAY,
    "Quay 3.12": QUAY_3_12,
    "GCR": GCR,
    "GAR": GAR,
    "ACR": ACR,
    "ECR": ECR,
    "GHCR": GHCR,
    "Gitea": GITEA,
    "Harbor": HARBOR,
    "GitLab": GITLAB,
    "Pulp": PULP,
    "Nexus": NEXUS,
    "olareg": OLAREG,
}
