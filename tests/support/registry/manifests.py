"""GET, HEAD, PUT and DELETE of manifests."""

from __future__ import annotations

import json
from typing import Any

from support.registry.calls import Call, Reply, error
from support.registry.content import Repository, digest_of
from support.registry.quirks import Quirks

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def read(quirks: Quirks, call: Call, repository: Repository | None, name: str) -> Reply:
    if call.method == "HEAD" and not quirks.head_manifests:
        return error(405, "UNSUPPORTED")
    found = repository.find(name) if repository else None
    if found is None:
        return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
    digest, stored = found
    headers = {"Content-Type": stored.media_type}
    if quirks.digest_header:
        other = quirks.digest_algorithm
        plain = other == "sha256"
        headers["Docker-Content-Digest"] = digest if plain else digest_of(stored.raw, other)
    return Reply(200, headers, stored.raw)


def put(quirks: Quirks, call: Call, repository: Repository, name: str) -> Reply:
    try:
        data = json.loads(call.body)
    except ValueError:
        return error(400, "MANIFEST_INVALID", "not JSON")
    problem = _problem(quirks, data, repository)
    if problem is not None:
        return problem
    if ":" in name and digest_of(call.body, name.partition(":")[0]) != name:
        return error(400, "DIGEST_INVALID", "the digest does not fit the content")
    media_type = call.headers.get("content-type", "")
    digest = repository.put_manifest(name, call.body, media_type)
    headers = {"Location": f"/v2/{repository.name}/manifests/{digest}"}
    if quirks.digest_header:
        headers["Docker-Content-Digest"] = digest
    if quirks.referrers_api and data.get("subject"):
        headers["OCI-Subject"] = data["subject"]["digest"]
    return Reply(201, headers)


def _problem(quirks: Quirks, data: dict[str, Any], repository: Repository) -> Reply | None:
    if data.get("schemaVersion") == 1:
        return error(400, "MANIFEST_INVALID", "schema 1 is not taken")
    layers = data.get("layers")
    if quirks.needs_layer and layers is not None and not layers:
        return error(400, "MANIFEST_INVALID", "a manifest needs a layer")
    if not quirks.checks_references:
        return None
    blobs = [*(layers or []), *([data["config"]] if data.get("config") else [])]
    for blob in blobs:
        if blob["digest"] not in repository.blobs and not blob.get("urls"):
            return error(400, "MANIFEST_BLOB_UNKNOWN", f"blob {blob['digest']} unknown")
    for child in data.get("manifests") or []:
        if child["digest"] not in repository.manifests:
            return error(400, "MANIFEST_BLOB_UNKNOWN", f"manifest {child['digest']} unknown")
    return None


def delete(quirks: Quirks, call: Call, repository: Repository | None, name: str) -> Reply:
    by_digest = ":" in name
    refusals = {
        "unsupported": error(405, "UNSUPPORTED", "The operation is unsupported."),
        "forbidden": error(403, "DENIED", "requested access to the resource is denied"),
        "digest invalid": error(400, "DIGEST_INVALID", "provided digest did not match"),
        "unknown": error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
    }
    how = quirks.manifest_delete if by_digest else quirks.tag_delete
    if how in refusals:
        return refusals[how]
    if how == "ignored":
        return Reply(202)
    if repository is None:
        return error(404, "NAME_UNKNOWN")
    if how == "only proofs" and name in repository.tags.values():
        return error(403, "DENIED", "a tagged manifest can't be deleted")
    stale = quirks.stale_reads
    gone = (
        repository.delete_manifest(name, stale)
        if by_digest
        else (repository.delete_tag(name, stale))
    )
    return Reply(202) if gone else error(404, "MANIFEST_UNKNOWN", "manifest unknown")
