"""A repository as a policy sees it, without a registry; and policies in a few words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from regbot.config.tables import policy_of_table
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.uses import Use, Uses
from regbot.rules.content import Facts
from regbot.rules.deciding import decide
from regbot.rules.decision import Decision
from regbot.rules.policy import Depth, Policy

NOW = 1_750_000_000.0
DAY = 86400.0
REPOSITORY = Reference("registry", "registry.test", "team/app")


def digest(name: object) -> Digest:
    return Digest.parse(f"sha256:{sha256(str(name).encode()).hexdigest()}")


def image(
    name: object,
    days: float | None = None,
    *,
    lists: Iterable[object] = (),
    problem: str = "",
    **labels: str,
) -> Facts:
    """An image, so many days old. ``lists`` makes it an index of these."""
    below = frozenset(map(digest, lists))
    return Facts(
        digest=None if problem else digest(name),
        is_index=bool(below),
        below=below,
        created=None if days is None else NOW - days * DAY,
        labels=(labels,),
        problem=problem,
    )


def signature_of(name: object, ending: str = ".sig") -> str:
    return f"sha256-{digest(name).hex}{ending}"


@dataclass
class Repository:
    """Tags and what is on them. ``asked`` has what was read, and how deep."""

    images: Mapping[str, Facts]
    repository: Reference = REPOSITORY
    asked: dict[str, Depth] = field(default_factory=dict)

    def check(self) -> None:
        """It never has to end."""

    def tags(self) -> list[Tag]:
        return [Tag(tag) for tag in self.images]

    def facts(self, tags: Collection[Tag], depth: Depth) -> dict[Tag, Facts]:
        self.asked.update({str(tag): depth for tag in tags})
        return {tag: self._facts(self.images[tag], depth) for tag in tags}

    def _facts(self, facts: Facts, depth: Depth) -> Facts:
        """No more than what the depth gives."""
        if depth == "image" or facts.problem:
            return facts
        if depth == "children":
            return replace(facts, created=None, labels=())
        if depth == "date":
            return replace(facts, below=frozenset(), labels=())
        return Facts(facts.digest, facts.is_index)


class Used:
    """Images of the repository that a pod uses, by tag or digest."""

    def __init__(self, tags: Collection[str] = (), digests: Collection[Digest] = ()) -> None:
        by_tag = tuple(REPOSITORY.with_tag(Tag(tag)) for tag in tags)
        by_digest = (Use("pod web", digest=digest) for digest in digests)
        self._uses = Uses([Use("pod web", by_tag), *by_digest])

    def uses(self) -> Uses:
        """All of them."""
        return self._uses


def policy(*keep: Mapping[str, Any], in_use: bool = True, **more: Any) -> Policy:
    """A policy of keep rules, each as in the YAML. ``delete`` may be patterns of tags."""
    if isinstance(next(iter(more.get("delete", ())), None), str):
        more["delete"] = [{"tags": list(more["delete"])}]
    return policy_of_table({"keep": list(keep), **more}, in_use=in_use)


def decided(
    images: Mapping[str, Facts], rules: Policy, in_use: Used | None = None
) -> dict[str, Decision]:
    """The decision on each tag."""
    decisions = decide(Repository(images), rules, NOW, in_use)
    return {str(decision.tag): decision for decision in decisions.all}


def kept(images: Mapping[str, Facts], *keep: Mapping[str, Any], **more: Any) -> set[str]:
    """The tags that are kept."""
    in_use = more.pop("used", None)
    decisions = decided(images, policy(*keep, **more), in_use)
    return {tag for tag, decision in decisions.items() if decision.keep}
