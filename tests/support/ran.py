"""Deletes as a run does them: what an image held is read first, then it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.evidence import Evidence
from regbot.plan.gathering import gather, tags_in
from regbot.plan.outcome import Outcome
from regbot.report.build import build_report
from regbot.report.model import Report
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore, Stores
from support.tagged import delete_tag

NOW = 1_750_000_000.0
LIMIT = 1_000_000


def evidence_of(store: ReadStore, digest: Digest | None) -> Evidence:
    """What an image holds, and how many tags there are."""
    listed = tags_in(store)
    evidence = gather(store, digest, blob_limit=LIMIT, stop=Stop())
    return replace(evidence, tags_before=None if listed is None else len(listed))


def delete_tags(
    stores: Stores, repository: Reference, *tags: str, script: str = "clean", status: Any = "done"
) -> list[Outcome]:
    """Delete tags, and say so."""
    store = stores.open(repository)
    found = []
    for tag in tags:
        digest = store.head(Tag(tag)).digest
        evidence = evidence_of(store, digest)
        delete_tag(store, Tag(tag))
        action = DeleteTag(repository.with_tag(Tag(tag)), "old")
        found.append(Outcome(script, action, status, digest, "", evidence))
    return found


def delete_manifest(stores: Stores, repository: Reference, digest: Digest) -> Outcome:
    """Delete a manifest with its tags, and say so."""
    store = stores.open(repository)
    evidence = evidence_of(store, digest)
    store.delete_manifest(digest)
    action = DeleteManifest(repository.with_digest(digest), digest, "old")
    return Outcome("clean", action, "done", digest, "", evidence)


def reported(outcomes: Sequence[Outcome], stores: Stores, **more: Any) -> Report:
    """The report of a run at NOW."""
    usual: dict[str, Any] = {
        "kind": "once",
        "dry_run": False,
        "started": NOW - 5,
        "finished": NOW,
        "stop": Stop(),
    }
    return build_report(outcomes, [], stores=stores, **{**usual, **more})
