"""Builds a report from the outcomes of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from regbot.events import RunResult
from regbot.oci.reference import Reference
from regbot.plan.action import Action, CopyImage, DeleteManifest, DeleteTag
from regbot.plan.evidence import Evidence
from regbot.plan.outcome import Outcome
from regbot.report.freeable import Accounts, Freed, Kept, read_kept
from regbot.report.model import Kind, Report, RepositoryLine, Row
from regbot.stopping import Stop
from regbot.store.protocol import ReadStores
from regbot.version import __version__


def build_report(
    outcomes: Sequence[Outcome],
    results: Sequence[RunResult],
    *,
    kind: Kind,
    dry_run: bool,
    started: float,
    finished: float,
    stores: ReadStores,
    stop: Stop,
) -> Report:
    """The report of a run from ``started`` to ``finished``, in seconds since 1970.

    Ages are measured at its end. Never raises.

    ``stores`` are read for what is left: the real ones, or the overlay after a dry run.
    Every remaining tag is read in the repositories
    with deletes, and in the run's other repositories on the same registry.
    """
    lines: dict[tuple[str, Reference], list[Outcome]] = {}
    for outcome in outcomes:
        key = (outcome.script, outcome.action.reference.without_name)
        lines.setdefault(key, []).append(outcome)
    accounts = _accounts(outcomes, stores, stop)
    return Report(
        kind=kind,
        dry_run=dry_run,
        started=started,
        finished=finished,
        version=__version__,
        runs=tuple(results),
        repositories=tuple(
            _line(script, repository, of_line, accounts.get(_place(repository)))
            for (script, repository), of_line in lines.items()
        ),
        rows=tuple(row_of(outcome, finished) for outcome in outcomes),
    )


def _accounts(outcomes: Sequence[Outcome], stores: ReadStores, stop: Stop) -> dict[str, Accounts]:
    """The accounts of each registry and layout folder that something was deleted from."""
    touched: dict[str, dict[Reference, Kept]] = {
        _place(outcome.action.reference): {} for outcome in outcomes if _deleted(outcome)
    }
    for repository in dict.fromkeys(_repositories(outcomes)):
        if _place(repository) in touched:
            kept = read_kept(stores, repository, stop)
            touched[_place(repository)][repository] = kept
    return {place: Accounts(kept) for place, kept in touched.items()}


def _repositories(outcomes: Sequence[Outcome]) -> Iterable[Reference]:
    for outcome in outcomes:
        yield outcome.action.reference.without_name
        if isinstance(outcome.action, CopyImage):
            yield outcome.action.source.without_name


def _place(reference: Reference) -> str:
    """The registry or layout folder, within which repositories share blobs."""
    return reference.registry or f"ocidir://{reference.repository}"


def _is_delete(outcome: Outcome) -> bool:
    return isinstance(outcome.action, DeleteTag | DeleteManifest)


def _deleted(outcome: Outcome) -> bool:
    return _is_delete(outcome) and outcome.status in ("done", "planned")


def _line(
    script: str, repository: Reference, outcomes: list[Outcome], accounts: Accounts | None
) -> RepositoryLine:
    deleted = [outcome for outcome in outcomes if _deleted(outcome)]
    freed, kept, before = Freed(0), None, None
    unknown: list[str] = []
    if accounts:
        freed = accounts.settle(repository, (outcome.evidence for outcome in deleted))
    if accounts and any(map(_is_delete, outcomes)):
        kept = accounts.kept[repository].tags
        before = next(_counts_before(outcomes), None)
        if before is None:
            unknown.append("the number of tags before the run was not read")
    counts = Counter(outcome.status for outcome in outcomes)
    return RepositoryLine(
        script=script,
        repository=str(repository),
        tags_before=before,
        deleted=sum(len(outcome.taken_tags) or 1 for outcome in deleted),
        kept=kept,
        skipped=counts["skipped"],
        stopped=counts["stopped"],
        failed=counts["failed"],
        other=counts["done"] + counts["planned"] - len(deleted),
        unchanged=counts["unchanged"],
        bytes_only=freed.size,
        unknown=(*unknown, *freed.unknown),
    )


def _counts_before(outcomes: Iterable[Outcome]) -> Iterator[int]:
    for outcome in outcomes:
        if outcome.evidence and outcome.evidence.tags_before is not None:
            yield outcome.evidence.tags_before


def row_of(outcome: Outcome, now: float) -> Row:
    """The row of an action; ``now`` is in seconds since 1970."""
    evidence = outcome.evidence or Evidence(problem="not read")
    return action_row(outcome, evidence.created, evidence.size, now)


def action_row(outcome: Outcome, created: float | None, size: int | None, now: float) -> Row:
    """As ``row_of``, where the date of the image and its bytes are known from elsewhere."""
    action, tags = outcome.action, outcome.taken_tags
    taken = f"with its tags: {', '.join(tags)}" if tags else ""
    return Row(
        script=outcome.script,
        repository=str(action.reference.without_name),
        action=action.verb,
        reference=str(action.reference),
        status=outcome.status,
        digest=str(outcome.digest or ""),
        reason=action.reason,
        detail="; ".join(part for part in (outcome.detail, taken) if part),
        created=created,
        age_seconds=None if created is None else max(0.0, now - created),
        size=size,
        source=_source_of(action),
        carried=tuple(f"{carried.part} {carried.name}" for carried in outcome.carried),
        removal=action.removal if isinstance(action, DeleteTag | DeleteManifest) else "",
        part=action.part if isinstance(action, DeleteTag | DeleteManifest) else "",
    )


def _source_of(action: Action) -> str:
    """What a copy is made from: its tag, where it has one, and not the digest that was on it."""
    if not isinstance(action, CopyImage):
        return ""
    source = action.source
    return str(source.with_tag(source.tag) if source.tag else source)
