"""What belongs together in a repository: an index and its children, an image and its signatures.

Both are asked for only where something is to be deleted that may have such relations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field

from regbot.image.parts import subject_of_tag
from regbot.oci.digest import Digest
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag
from regbot.rules.content import Content, Facts
from regbot.values import dataclass


def kept_by_child(content: Content, read: Collection[Tag], kept: Collection[Tag]) -> dict[Tag, str]:
    """The indexes among tags that were read and are to go, but list what a kept tag is on.

    Gives why each is kept. Where it can't be told what a kept tag is on, every index stays.
    """
    heads = content.facts(read, "digest")
    doomed = [tag for tag in sorted(read, reverse=True) if heads[tag].is_index]
    if not doomed:
        return {}
    indexes = content.facts(doomed, "children")
    why = {tag: indexes[tag].problem for tag in doomed if indexes[tag].problem}
    staying = content.facts(sorted(kept), "digest")
    unclear = next((tag for tag, facts in staying.items() if facts.digest is None), None)
    if unclear is not None:
        return dict.fromkeys(doomed, f"it may list what {unclear} is on, which can't be read")
    holders = {facts.digest: tag for tag, facts in [*staying.items()][::-1]}
    holders |= {indexes[tag].digest: tag for tag in why}
    waiting = [tag for tag in doomed if tag not in why]
    while True:
        held = [tag for tag in waiting if not indexes[tag].below.isdisjoint(holders)]
        if not held:
            return why
        for tag in held:
            child = min(indexes[tag].below.intersection(holders), key=str)
            why[tag] = f"it lists {child}, which {holders[child]} is on"
        holders |= {indexes[tag].digest: tag for tag in held}
        waiting = [tag for tag in waiting if tag not in why]


Owners = frozenset[Digest]


@dataclass(frozen=True, slots=True)
class Attached:
    """Tags made of a digest, such as cosign's, that go with what they are made of.

    ``going`` has the digests that each goes with: all that lead to what it is made of.
    ``kept`` is why all others stay. ``read`` is what was read of the tags that are deleted.
    """

    going: Mapping[Tag, Owners] = field(default_factory=dict)
    read: Mapping[Tag, Facts] = field(default_factory=dict)
    kept: str = "it belongs to an image that stays, or that is not here"


def attached_to(
    content: Content,
    attached: Collection[Tag],
    doomed: Collection[Tag],
    kept: Collection[Tag],
) -> Attached:
    """Which tags made of a digest go, where ``doomed`` are deleted and ``kept`` are not.

    One goes when only deleted tags lead to the digest it is made of. Where it can't be told
    what a kept tag leads to, none goes.
    """
    if not attached or not doomed:
        return Attached()
    read = content.facts(doomed, "digest")
    owners = _owners(content, read)
    candidates = {tag: owners[name] for tag in attached if (name := subject_of_tag(tag)) in owners}
    if not candidates:
        return Attached()
    staying: set[str] = set()
    heads = content.facts(kept, "digest")
    indexes = content.facts([tag for tag in kept if heads[tag].is_index], "children")
    for tag in sorted(kept):
        facts = indexes.get(tag) or heads[tag]
        if facts.digest is None or facts.problem:
            return Attached(kept=f"it may belong to {tag}, which can't be read")
        staying |= {fallback_tag(each) for each in (facts.digest, *facts.below)}
    going = {tag: owner for tag, owner in candidates.items() if subject_of_tag(tag) not in staying}
    return Attached({**going, **_next(content, attached, going)}, read)


def _owners(content: Content, heads: Mapping[Tag, Facts]) -> dict[str, Owners]:
    """The digests that are deleted and lead to another, by what a tag made of that begins with."""
    indexes = content.facts([tag for tag in heads if heads[tag].is_index], "children")
    owners: dict[str, Owners] = {}
    for tag, facts in heads.items():
        if facts.digest is None:
            continue
        for each in (facts.digest, *(indexes[tag].below if tag in indexes else ())):
            name = fallback_tag(each)
            owners[name] = owners.get(name, Owners()) | {facts.digest}
    return owners


def _next(
    content: Content, attached: Collection[Tag], going: Mapping[Tag, Owners]
) -> dict[Tag, Owners]:
    """Signatures of signatures: tags made of the digests of tags that go."""
    further: dict[Tag, Owners] = {}
    level = dict(going)
    while level:
        heads = content.facts(list(level), "digest")
        owners: dict[str, Owners] = {}
        for tag, with_it in level.items():
            digest = heads[tag].digest
            if digest is not None:
                name = fallback_tag(digest)
                owners[name] = owners.get(name, Owners()) | with_it
        level = {
            tag: owners[subject]
            for tag in attached
            if tag not in going
            and tag not in further
            and (subject := subject_of_tag(tag)) in owners
        }
        further |= level
    return further
