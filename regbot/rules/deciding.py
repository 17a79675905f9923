"""Decides by a policy which tags of a repository are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from regbot.errors import GuardBroken
from regbot.image.parts import is_digest_tag
from regbot.oci.tag import Tag
from regbot.plan.uses import InUse
from regbot.rules.content import Content, Facts
from regbot.rules.decision import Decision, Decisions
from regbot.rules.judging import Judge, Verdict
from regbot.rules.policy import Depth, Policy, Rule
from regbot.rules.relations import Attached, attached_to, kept_by_child
from regbot.values import dataclass

_DEPTHS: tuple[Depth, ...] = ("name", "digest", "date", "image")
"""What rules ask for, the least first."""


def decide(content: Content, policy: Policy, now: float, in_use: InUse | None = None) -> Decisions:
    """The decision on each tag. ``now`` is in seconds since 1970.

    Raises GuardBroken for a policy that keeps no tag of the repository, unless it may, and
    what the content and ``in_use`` raise.
    """
    return _Deciding(content, policy, now, in_use).decide()


@dataclass(frozen=True, slots=True)
class _Kept:
    why: str
    rule: int | None = None


class _Deciding:
    """The decisions on one repository, as they come about."""

    def __init__(self, content: Content, policy: Policy, now: float, in_use: InUse | None) -> None:
        self._content = content
        self._policy = policy
        self._now = now
        self._in_use = in_use
        self._kept: dict[Tag, _Kept] = {}
        self._facts: dict[Tag, Facts] = {}
        self._against: dict[Tag, list[str]] = {}

    def decide(self) -> Decisions:
        tags = self._content.tags()
        attached = [tag for tag in tags if is_digest_tag(tag)]
        images = [tag for tag in tags if not is_digest_tag(tag)]
        covered = self._decide_by_name(images)
        self._decide_by_rules(covered)
        self._keep_indexes(images)
        doomed = [tag for tag in images if tag not in self._kept]
        if images and len(doomed) == len(images) and not self._policy.allow_empty:
            raise GuardBroken(
                f"{self._content.repository}: the rules keep none of {len(images)} tags, so"
                " nothing is deleted (write allowEmpty: true if that is meant)"
            )
        going = self._going(attached, doomed)
        decisions = (
            self._attached(tag, going) if is_digest_tag(tag) else self._decision(tag, going.read)
            for tag in tags
        )
        return Decisions(self._content.repository, tuple(decisions))

    def _decide_by_name(self, images: list[Tag]) -> list[Tag]:
        """Keep what its name alone keeps. Gives the tags that may go, kept or not."""
        by_name = [(number, rule) for number, rule in self._numbered() if rule.depth == "name"]
        covered: list[Tag] = []
        for tag in images:
            self._content.check()
            if not self._policy.covers(tag):
                self._kept[tag] = _Kept("no pattern under delete fits it")
                continue
            covered.append(tag)
            for number, rule in by_name:
                if rule.fits(tag):
                    self._kept[tag] = _Kept(f"kept by rule {number}: {rule}", number)
                    break
        return covered

    def _about(self, rule: Rule, covered: list[Tag]) -> Iterator[Tag]:
        """The tags that a rule has to be asked about."""
        for tag in covered:
            self._content.check()
            if (rule.newest or tag not in self._kept) and rule.fits(tag):
                yield tag

    def _read(self, asked: Mapping[int, list[Tag]], covered: list[Tag]) -> None:
        """Read each tag once, to the depth that the rules about it ask for."""
        depths: dict[Tag, Depth] = {}
        for number, rule in self._numbered():
            for tag in asked.get(number, ()):
                depths[tag] = max(depths.get(tag, "name"), rule.depth, key=_DEPTHS.index)
        for depth in _DEPTHS[1:]:
            wanted = [tag for tag in covered if depths.get(tag) == depth]
            if wanted:
                self._facts |= self._content.facts(wanted, depth)

    def _decide_by_rules(self, covered: list[Tag]) -> None:
        asked = {
            number: list(self._about(rule, covered))
            for number, rule in self._numbered()
            if rule.depth != "name"
        }
        self._read(asked, covered)
        unknown: dict[Tag, _Kept] = {}
        judged = {
            number: self._verdicts(rule, asked[number])
            for number, rule in self._numbered()
            if number in asked
        }
        for number, verdicts in judged.items():
            for tag, verdict in verdicts.items():
                if verdict.holds == "yes":
                    why = f"kept by rule {number}: {verdict.why}"
                    self._kept.setdefault(tag, _Kept(why, number))
                elif verdict.holds == "unknown":
                    why = f"kept by rule {number}, which can't judge it: {verdict.why}"
                    unknown.setdefault(tag, _Kept(why, number))
                else:
                    self._against.setdefault(tag, []).append(f"rule {number}: {verdict.why}")
        self._kept = {**unknown, **self._kept}

    def _verdicts(self, rule: Rule, tags: list[Tag]) -> dict[Tag, Verdict]:
        judge = Judge(rule, self._content, self._now, self._in_use)
        return judge.verdicts({tag: self._facts[tag] for tag in tags})

    def _keep_indexes(self, images: list[Tag]) -> None:
        """Keep an index that was read, where it lists what a kept tag is on."""
        read = [tag for tag in images if tag in self._facts and tag not in self._kept]
        kept = [tag for tag in images if tag in self._kept]
        for tag, why in kept_by_child(self._content, read, kept).items() if read else ():
            self._kept[tag] = _Kept(why)

    def _going(self, attached: list[Tag], doomed: list[Tag]) -> Attached:
        if self._policy.referrers == "keep":
            return Attached(kept="referrers are kept")
        named = {tag for tag in attached if self._keeps_by_name(tag)}
        free = [tag for tag in attached if tag not in named]
        return attached_to(self._content, free, doomed, list(self._kept))

    def _keeps_by_name(self, tag: Tag) -> bool:
        """Whether a rule is about a tag made of a digest, expressly."""
        return any(rule.depth == "name" and rule.fits(tag) for _, rule in self._numbered())

    def _decision(self, tag: Tag, read: Mapping[Tag, Facts]) -> Decision:
        kept = self._kept.get(tag)
        facts = self._facts.get(tag) or read.get(tag) or Facts()
        if kept:
            return Decision(tag, keep=True, reason=kept.why, digest=facts.digest, rule=kept.rule)
        otherwise = self._policy.otherwise
        against = "; ".join(self._against.get(tag, ()))
        reason = f"{otherwise} ({against})" if against else otherwise
        return Decision(tag, keep=False, reason=reason, digest=facts.digest)

    def _attached(self, tag: Tag, attached: Attached) -> Decision:
        owners = attached.going.get(tag)
        if owners is None:
            return Decision(tag, keep=True, reason=attached.kept)
        facts = self._content.facts([tag], "digest")[tag]
        reason = f"goes with {min(owners, key=str)}"
        return Decision(tag, keep=False, reason=reason, digest=facts.digest, owners=owners)

    def _numbered(self) -> Iterable[tuple[int, Rule]]:
        return enumerate(self._policy.keep, 1)
