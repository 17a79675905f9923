"""The last line of a command: what was changed, how long it took, and what comes next.

``deleted 12 tags in 3 repositories and copied 2 images in 4.2s; 1 action failed; 1 of 2
scripts failed: nightly; undo with: regbot undo 20261128-101500-1a2b``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from regbot.events import RunResult
from regbot.oci.reference import Reference
from regbot.plan.action import (
    Action,
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
    PutManifest,
)
from regbot.plan.outcome import Outcome
from regbot.report.shown import seconds as shown_seconds
from regbot.report.shown import visible

_MADE = ("done", "planned")
_TOLD = ("failed", "stopped", "skipped", "unchanged")
"""What else becomes of actions, in the order of urgency."""
_MOST_NAMED = 3
_WRITES: Mapping[type[Action], tuple[str, str, str]] = {
    CopyImage: ("copied", "copy", "image"),
    PutManifest: ("stored", "store", "manifest"),
    PutBlob: ("stored", "store", "blob"),
    ImportTar: ("imported", "import", "archive"),
    ExportTar: ("exported", "export", "archive"),
}
"""Each with its past, its infinitive, and what is counted."""


class PutBack(Protocol):
    """What became of one tag or manifest in an undo."""

    @property
    def reference(self) -> Reference:
        """The tag, or the manifest by its digest."""
        ...

    @property
    def status(self) -> str:
        """Restored, planned, or as for actions."""
        ...


def summary(
    outcomes: Sequence[Outcome],
    runs: Sequence[RunResult],
    *,
    seconds: float,
    dry_run: bool = False,
    then: Sequence[str] = (),
) -> str:
    """The line for a run of scripts, or for a plan that was carried out.

    ``then`` says what the user can do next, such as ``undo with: regbot undo ID``.
    """
    deeds = [*_deletes(outcomes, dry_run=dry_run), *_writes(outcomes, dry_run=dry_run)]
    statuses = Counter[str](outcome.status for outcome in outcomes)
    parts = [_what(deeds, seconds, dry_run=dry_run), _gone(outcomes), _others(statuses, "action")]
    parts += [_scripts(runs, "failed", "failed"), _scripts(runs, "stopped", "stopped")]
    return "; ".join(filter(None, (*parts, *then)))


def undo_summary(results: Sequence[PutBack], *, seconds: float, dry_run: bool = False) -> str:
    """The line for an undo."""
    back = [item.reference for item in results if item.status in ("restored", "planned")]
    tags = sum(reference.tag is not None for reference in back)
    deeds = []
    if back:
        things = _things(("tag", tags), ("manifest", len(back) - tags))
        deeds.append(f"put back {things} in {_repositories(back)}")
    statuses = Counter(item.status for item in results)
    parts = (_what(deeds, seconds, dry_run=dry_run), _others(statuses))
    return "; ".join(filter(None, parts))


def _what(deeds: Sequence[str], seconds: float, *, dry_run: bool) -> str:
    """What was done in which time; that a dry run takes is of no interest."""
    if dry_run:
        return f"would {_joined(deeds) or 'change nothing'}"
    return f"{_joined(deeds) or 'changed nothing'} in {shown_seconds(seconds)}"


def _deletes(outcomes: Iterable[Outcome], *, dry_run: bool) -> Iterator[str]:
    made = [
        outcome
        for outcome in outcomes
        if outcome.status in _MADE
        and isinstance(outcome.action, DeleteTag | DeleteManifest)
        and not outcome.was_gone
    ]
    if made:
        tags = sum(len(outcome.taken_tags) for outcome in made)
        things = _named(made, tags)
        where = _repositories(outcome.action.reference for outcome in made)
        yield f"{'delete' if dry_run else 'deleted'} {things} in {where}"


def _gone(outcomes: Iterable[Outcome]) -> str:
    """What deletes found gone, such as what the same plan deleted before."""
    gone = [outcome for outcome in outcomes if outcome.was_gone]
    verb = "was" if len(gone) == 1 else "were"
    return f"{_named(gone)} {verb} already gone" if gone else ""


def _named(deletes: Sequence[Outcome], taken_tags: int = 0) -> str:
    """The tags and manifests that deletes name, with the tags that go with manifests."""
    tags = sum(isinstance(outcome.action, DeleteTag) for outcome in deletes)
    return _things(("tag", tags + taken_tags), ("manifest", len(deletes) - tags))


def _writes(outcomes: Iterable[Outcome], *, dry_run: bool) -> Iterator[str]:
    made = [outcome.action for outcome in outcomes if outcome.status in _MADE]
    tagged = [
        each.reference for each in made if isinstance(each, PutManifest) and each.reference.tag
    ]
    if tagged:
        things = f"tag {tagged[0]}" if len(tagged) == 1 else f"{len(tagged)} tags"
        yield f"set {things}"
    counts = Counter(type(action) for action in made)
    counts[PutManifest] -= len(tagged)
    for kind, (past, infinitive, noun) in _WRITES.items():
        if counts[kind] > 0:
            yield f"{infinitive if dry_run else past} {_counted(counts[kind], noun)}"


def _repositories(references: Iterable[Reference]) -> str:
    count = len({reference.without_name for reference in references})
    return "1 repository" if count == 1 else f"{count} repositories"


def _others(statuses: Mapping[str, int], noun: str = "") -> str:
    """Such as ``2 actions failed, 1 skipped``."""
    texts: list[str] = []
    for status in _TOLD:
        count = statuses.get(status)
        if count:
            texts.append(f"{count if texts or not noun else _counted(count, noun)} {status}")
    return ", ".join(texts)


def _scripts(runs: Sequence[RunResult], status: str, word: str) -> str:
    """Which scripts failed or were stopped."""
    names = [visible(run.script) for run in runs if run.status == status]
    if not names:
        return ""
    if len(runs) == 1:
        return f"script {names[0]} {word}"
    others = len(names) - _MOST_NAMED
    more = f" and {others} more" if others > 0 else ""
    named = ", ".join(names[:_MOST_NAMED])
    return f"{len(names)} of {len(runs)} scripts {word}: {named}{more}"


def _things(*counts: tuple[str, int]) -> str:
    return " and ".join(_counted(count, noun) for noun, count in counts if count)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _joined(texts: Sequence[str]) -> str:
    """Texts as in a sentence: ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))
