"""GET, HEAD, PUT and DELETE of manifests."""

from __future__ import annotations

import json
from typing import Any

from support.registry.calls import Call, Reply, error
from support.registry.content import Content, Repository, digest_of
from support.registry.quirks import Quirks

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def read(quirks: Quirks, call: Call, repository: Repository | None, name: str) -> Reply:
    if call.method == "HEAD" and not quirks.head_manifests:
        return error(405, "UNSUPPORTED")
    if repository and quirks.refetches:
        repository.fetch_again(name)
    found = repository.find(name, stale=call.broken("stale")) if repository else None
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
    if name in repository.protected and repository.tags.get(name) != digest_of(call.body):
        return error(*quirks.protection, "the tag is protected")
    if quirks.hidden_tags and ":" in name:
        repository.hidden.add(name)
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


def delete(quirks: Quirks, call: Call, content: Content, repository: str, name: str) -> Reply:
    by_digest = ":" in name
    refusals = {
        "unsupported": error(405, "UNSUPPORTED", "The operation is unsupported."),
        "forbidden": error(403, "DENIED", "requested access to the resource is denied"),
        "digest invalid": error(400, "DIGEST_INVALID", "provided digest did not match"),
        "invalid request": error(400, "INVALID_REQUEST", "Invalid request."),
        "bad request": error(400, "UNSUPPORTED", "the reference is a tag"),
        "unknown": error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
    }
    how = quirks.manifest_delete if by_digest else quirks.tag_delete
    if how in refusals:
        return refusals[how]
    if how == "ignored":
        return Reply(202)
    own = content.known(repository)
    if own is None:
        return error(404, "NAME_UNKNOWN")
    tags = own.tags_on(name) if by_digest else [name] if name in own.tags else []
    if own.protected.intersection(tags):
        return error(*quirks.protection, "the tag is protected")
    if tags and how == "only proofs":
        return error(403, "DENIED", "a tagged manifest can't be deleted")
    if tags and how == "dangling tag":
        why = f"Manifest is still referenced by tag: {tags[0]}"
        return error(400, "GOOGLE_MANIFEST_DANGLING_TAG", why)
    if by_digest:
        gone = _delete_digest(quirks, content, own, name, tags)
    else:
        gone = own.delete_tag(name, quirks.stale_reads, last_tag=quirks.last_tag)
    return Reply(202) if gone else error(404, "MANIFEST_UNKNOWN", "manifest unknown")


def _delete_digest(
    quirks: Quirks, content: Content, own: Repository, digest: str, tags: list[str]
) -> bool:
    if digest not in own.manifests or (quirks.hidden_tags and not tags):
        return False
    keep = quirks.hidden_tags and (digest in own.hidden or own.is_child(digest))
    how = {"keep": keep, "keep_tags": quirks.lists_deleted}
    if quirks.delete_after:
        content.later(quirks.delete_after, lambda: own.delete_manifest(digest, tags, **how))
        return True
    return own.delete_manifest(digest, tags, quirks.stale_reads, **how)
