"""Whether a rule holds for tags of which everything that it asks for was read.

There are three answers: it holds, it doesn't, or it can't be told, as for an image without
a date. What can't be told keeps a tag, and is not counted in a ranking, so knowing less
never deletes more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.oci.versions import TagVersion
from regbot.plan.uses import InUse
from regbot.rules.content import Content, Facts
from regbot.rules.policy import Newest, Rule
from regbot.units import format_age
from regbot.values import dataclass

_AHEAD = 86400.0
"""Seconds that the clock which dated an image may be ahead; a later date is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of a tag, and why, in a few words."""

    holds: Literal["yes", "no", "unknown"]
    why: str


class Judge:
    """Judges by one rule. ``now`` is in seconds since 1970."""

    def __init__(self, rule: Rule, content: Content, now: float, in_use: InUse | None) -> None:
        self._rule = rule
        self._content = content
        self._now = now
        self._in_use = in_use

    def verdicts(self, facts: Mapping[Tag, Facts]) -> dict[Tag, Verdict]:
        """The verdict on each tag that the rule is about."""
        verdicts = {tag: self._conditions(tag, known) for tag, known in facts.items()}
        newest = self._rule.newest
        if newest is None:
            return verdicts
        counted = {tag: facts[tag] for tag, each in verdicts.items() if each.holds == "yes"}
        return verdicts | self._ranked(newest, counted)

    def _conditions(self, tag: Tag, facts: Facts) -> Verdict:
        """All conditions but the ranking."""
        if facts.problem:
            return Verdict("unknown", facts.problem)
        verdicts = [*self._dated(facts), *self._labelled(facts), *self._used(tag, facts)]
        for answer in ("no", "unknown"):
            for verdict in verdicts:
                if verdict.holds == answer:
                    return verdict
        return Verdict("yes", ", ".join(verdict.why for verdict in verdicts))

    def _dated(self, facts: Facts) -> Iterable[Verdict]:
        newer, older = self._rule.newer_than, self._rule.older_than
        if newer is None and older is None:
            return
        created = self._date(facts)
        if created is None:
            yield Verdict("unknown", _no_date(facts))
            return
        age = self._now - created
        if newer is not None:
            is_newer = age <= newer
            word = "newer" if is_newer else "not newer"
            yield Verdict("yes" if is_newer else "no", f"{word} than {format_age(newer)}")
        if older is not None:
            is_older = age > older
            word = "older" if is_older else "not older"
            yield Verdict("yes" if is_older else "no", f"{word} than {format_age(older)}")

    def _labelled(self, facts: Facts) -> Iterable[Verdict]:
        wanted = self._rule.labels
        if not wanted:
            return
        text = ", ".join(f"label {name}={value}" for name, value in wanted)
        has = any(
            all(labels.get(name) == value for name, value in wanted) for labels in facts.labels
        )
        if not has and facts.lacks_child:
            yield Verdict("unknown", f"no {text}, but a child is missing that may have it")
        else:
            yield Verdict("yes", text) if has else Verdict("no", f"no {text}")

    def _used(self, tag: Tag, facts: Facts) -> Iterable[Verdict]:
        if not self._rule.in_use:
            return
        if self._in_use is None:
            raise InvalidValue("inUse: nothing is configured that tells which images are in use")
        uses = self._in_use.uses()
        digests = {*facts.below, *({facts.digest} if facts.digest else ())}
        users = [uses.of_tag(tag, [self._content.repository]), *map(uses.of_digest, digests)]
        user = next(filter(None, users), "")
        yield Verdict("yes", f"in use by {user}") if user else Verdict("no", "not in use")

    def _date(self, facts: Facts) -> float | None:
        """When an image was made; None where that is not known, or is yet to come."""
        known = facts.created
        return None if known is None or known > self._now + _AHEAD else known

    def _ranked(self, newest: Newest, facts: Mapping[Tag, Facts]) -> dict[Tag, Verdict]:
        """The verdicts of a ranking. What is counted are digests, and what ties is kept."""
        verdicts: dict[Tag, Verdict] = {}
        groups: dict[tuple[str, ...], dict[Tag, tuple[Digest, Any]]] = {}
        for tag, known in facts.items():
            self._content.check()
            group, key = newest.group_of(tag), self._key(newest, tag, known)
            if group is None:
                verdicts[tag] = Verdict("unknown", "per doesn't fit it")
            elif key is None or known.digest is None:
                why = "it is no version" if newest.by == "semver" else _no_date(known)
                verdicts[tag] = Verdict("unknown", why)
            else:
                groups.setdefault(group, {})[tag] = (known.digest, key)
        for entries in groups.values():
            ranks = _ranks(entries.values())
            for tag, (digest, _) in entries.items():
                is_kept = ranks[digest] <= newest.count
                why = str(newest) if is_kept else newest.refusal(ranks[digest])
                verdicts[tag] = Verdict("yes" if is_kept else "no", why)
        return verdicts

    def _key(self, newest: Newest, tag: Tag, facts: Facts) -> Any:  # noqa: ANN401 - what compares
        """What a tag is ranked by; None where that is not known."""
        if newest.by == "created":
            return self._date(facts)
        if newest.by == "name":
            return str(tag)
        try:
            return TagVersion.parse(tag).version
        except InvalidValue:
            return None


def _no_date(facts: Facts) -> str:
    return "no date is known" if facts.created is None else "its date is in the future"


def _ranks(entries: Iterable[tuple[Digest, Any]]) -> dict[Digest, int]:
    """The rank of each digest by the newest of its keys; 1 is the newest, equals share one."""
    best: dict[Digest, Any] = {}
    for digest, key in entries:
        if digest not in best or key > best[digest]:
            best[digest] = key
    ranks: dict[Digest, int] = {}
    rank, last = 0, None
    for number, (digest, key) in enumerate(
        sorted(best.items(), key=lambda entry: entry[1], reverse=True), 1
    ):
        if number == 1 or key != last:
            rank, last = number, key
        ranks[digest] = rank
    return ranks
