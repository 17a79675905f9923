"""The look before a delete: what is there, and whether it may go.

It is taken once, and what was seen is handed down: guards, evidence, the journal and
the store rest on the same answer. It is repeated in two cases. Where it took time to
read and save manifests, a tag is asked for once more just before it is deleted: there is
no conditional delete, and somebody may have moved it meanwhile. Where the delete itself
finds that what was seen moved or is gone, another look tells what is there now.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from regbot.errors import ContentError, GuardBroken, NotFound, NotSupported, RegbotError
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.plan.action import Delete, DeleteManifest, DeleteTag
from regbot.plan.keeping import Keeping
from regbot.plan.outcome import ALREADY_GONE, Applied
from regbot.plan.tagbook import NOW, TAGS_FRESH_FOR, TagBook
from regbot.stopping import Clock
from regbot.store.placeholder import original_of, replaced_by
from regbot.store.presence import LOOK_HOLDS
from regbot.store.protocol import ReadStore, Store, Stores
from regbot.store.remembering import Remembering
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a delete takes, as it was seen.

    ``digest`` is what goes, and ``tags`` are the tags that go. A tag is ``on`` that
    digest, or on the placeholder of a delete that was broken off. ``store`` reads
    the repository, each manifest once. ``may_be_missing``: the tag led nowhere.
    ``seen_at`` is when a tag was seen there, by the clock of the looks. ``content``
    describes what was seen, None where it was not asked for.
    """

    store: ReadStore
    digest: Digest
    on: Digest
    tags: tuple[Tag, ...]
    may_be_missing: bool = False
    seen_at: float = 0.0
    content: Descriptor | None = None


def look_at_tag(
    reader: ReadStore, action: DeleteTag, *, closely: bool, clock: Clock
) -> Target | Applied:
    """What a tag is on; or why nothing is to be done: it moved, or is gone.

    ``closely`` reads the manifest, where it can be read. That a tag is gone is believed
    when two requests say so, for one answer may be a stale one. Raises NotFound for a
    tag that is not there and has to be.
    """
    try:
        content = _content_at(reader, action.tag, closely=closely)
    except NotFound:
        if not action.may_be_gone:
            raise
        return Applied(action.digest, ALREADY_GONE, was_gone=True)
    current = content.digest
    target = Target(
        reader,
        current,
        current,
        (action.tag,),
        may_be_missing=True,
        seen_at=clock(),
        content=content,
    )
    if action.digest in (None, current):
        broken_off = _broken_off(reader, current) if closely else None
        return replace(target, digest=broken_off) if broken_off else target
    if replaced_by(reader, current) == action.digest:
        return replace(target, digest=action.digest)
    detail = f"moved since the script looked: now {current}"
    return Applied(action.digest, detail, "skipped")


def look_at_manifest(
    store: ReadStore, action: DeleteManifest, tags: tuple[Tag, ...], *, closely: bool
) -> Target | Applied:
    """A manifest to be deleted with its ``tags``; or why nothing is to be done.

    Without ``closely`` it is not asked for: deleting it will tell whether it is there.
    """
    if not closely:
        return Target(store, action.digest, action.digest, tags)
    reader = Remembering(store)
    try:
        content = _content_at(reader, action.digest, closely=True)
    except NotFound:
        if not action.may_be_gone:
            raise
        return Applied(action.digest, ALREADY_GONE, was_gone=True)
    return Target(reader, action.digest, action.digest, tags, content=content)


def _referrers(store: Store, digest: Digest) -> list[Descriptor]:
    """What refers to a digest; by the time this is asked it may be known that nothing does."""
    return [] if store.lacks_referrers(digest) else store.referrers(digest)


def _content_at(store: ReadStore, name: Name, *, closely: bool) -> Descriptor:
    """What a name leads to, by HEAD or, ``closely``, by GET; then by the other."""

    def by_head() -> Descriptor:
        return store.head(name).descriptor

    def by_get() -> Descriptor:
        return store.manifest(name).descriptor

    first, second = (by_get, by_head) if closely else (by_head, by_get)
    try:
        return first()
    except (NotFound, ContentError):
        return second()


def _broken_off(store: ReadStore, digest: Digest) -> Digest | None:
    """What a tag was on before a delete that was broken off; None for any other manifest."""
    try:
        return original_of(store, store.manifest(digest))
    except (NotFound, ContentError):
        return None


class Looks:
    """Looks before the deletes of one script: at what goes, and what forbids it."""

    def __init__(
        self,
        stores: Stores,
        book: TagBook,
        keeping: Keeping,
        *,
        dry_run: bool,
        clock: Clock = time.monotonic,
    ) -> None:
        self._stores = stores
        self._book = book
        self._keeping = keeping
        self._dry_run = dry_run
        self._clock = clock

    def before(self, action: Delete, *, closely: bool, since: float = math.inf) -> Target | Applied:
        """What goes, or why nothing is to be done. ``since`` is that of ``Executor._do``.

        Raises GuardBroken for a protected tag, NotSupported for a manifest that has to be
        untagged and is not, NotFound for what has to be there, UseUnknown where it can't be
        known what is in use, and what the store raises.
        """
        store = self._stores.open(action.reference)
        tags = self._tags_of(store, action)
        if isinstance(action, DeleteManifest) and tags and action.unless_tagged:
            raise NotSupported(f"{action.reference} is still tagged: {', '.join(tags)}")
        self._refuse_protected(action, tags)
        kept = self.kept_by_name(action, tags) or self._why_kept(store, action, tags, since)
        if kept:
            return kept
        if isinstance(action, DeleteTag):
            seen = self._before_tag(store, action, closely=closely)
        else:
            seen = look_at_manifest(store, action, tags, closely=closely)
        return self._unless_in_use(store, action, seen)

    def kept_by_name(self, action: Delete, tags: Sequence[Tag]) -> Applied | None:
        """That nothing is done where one of the tags that go is in use; else None."""
        for tag in tags:
            why = self._keeping.by_tag(action.reference, tag)
            if why:
                where = "" if isinstance(action, DeleteTag) else f"its tag {tag} is "
                return Applied(action.digest, f"{where}{why}", "skipped")
        return None

    def _unless_in_use(
        self, store: ReadStore, action: Delete, seen: Target | Applied
    ) -> Target | Applied:
        """What was seen, unless it is in use, or listed by an index that is."""
        if not isinstance(seen, Target) or not self._keeping.has_uses:
            return seen
        why = ""
        if isinstance(action, DeleteManifest) or store.last_tag_takes_manifest:
            why = self._keeping.by_index(store, action.reference, seen.digest)
        why = why or self._keeping.by_content(seen.store, seen.digest, seen.content)
        return Applied(seen.digest, why, "skipped") if why else seen

    def _before_tag(self, store: Store, action: DeleteTag, *, closely: bool) -> Target | Applied:
        """What a tag is on. What refers to the digest expected there is asked at the same time."""
        reader = Remembering(store)
        look = partial(
            look_at_tag, reader if closely else store, action, closely=closely, clock=self._clock
        )
        expected = action.digest
        if not closely or self._dry_run or store.deletes_at_finish:
            return look()
        if expected and not store.lacks_referrers(expected):
            with ThreadPoolExecutor(1, "look") as pool:
                reader.expect_referrers(expected, pool.submit(_referrers, store, expected).result)
                return look()
        seen = look()
        if seen.digest and store.lacks_referrers(seen.digest):
            reader.expect_referrers(seen.digest, list)
        return seen

    def is_fresh(self, target: Target) -> bool:
        """Whether a tag was seen so short a time ago that no other look is due."""
        return self._clock() - target.seen_at < LOOK_HOLDS

    def may_foresee(self, action: DeleteTag) -> bool:
        """Whether a tag may go as far as its name tells."""
        try:
            return self.kept_by_name(action, (action.tag,)) is None
        except RegbotError:
            return False

    def foreseen(self, store: ReadStore, action: DeleteTag, *, closely: bool) -> Target | Applied:
        """What a tag is on in ``store``, where it is planned to be gone already."""
        reader = Remembering(store) if closely else store
        seen = look_at_tag(reader, action, closely=closely, clock=self._clock)
        return self._unless_in_use(store, action, seen)

    def again(self, action: Delete, target: Target) -> Target | Applied:
        """What goes of what was seen, by another look: it may have moved or gone since."""
        store = self._stores.open(action.reference)
        if isinstance(action, DeleteManifest):
            return look_at_manifest(store, action, target.tags, closely=True)
        decided = replace(action, digest=target.digest, may_be_gone=True)
        return look_at_tag(store, decided, closely=False, clock=self._clock)

    def refuse_overwrite(self, reference: Reference, digest: Digest) -> None:
        """Raise GuardBroken for a protected tag that is on anything but the digest."""
        protection = reference.tag and self._keeping.protection(reference, reference.tag)
        if not protection:
            return
        try:
            current = self._stores.open(reference).head(reference.name).digest
        except NotFound:
            return
        if current != digest:
            text = f"{protection}: {reference} is protected and stays on {current}"
            raise GuardBroken(text)

    def _tags_of(self, store: ReadStore, action: Delete) -> tuple[Tag, ...]:
        """The tags that would go: the one of a tag's delete, or all on a manifest.

        All tags are looked at now, for one may have been moved onto the digest, and would
        go unsaved. It is enough to look at those that could forbid the delete in a dry run,
        and in a removal, whose manifests stay where any tag leads to them (``_why_kept``).
        """
        if isinstance(action, DeleteTag):
            return (action.tag,)
        may_be_known = (self._dry_run or action.removal) and not action.unless_tagged
        return self._book.tags_on(
            store,
            action.digest,
            sure=lambda tag: self._is_kept(action.reference, tag),
            fresh_for=TAGS_FRESH_FOR if may_be_known else NOW,
        )

    def _is_kept(self, reference: Reference, tag: Tag) -> bool:
        protection = self._keeping.protection(reference, tag)
        return protection is not None or self._keeping.by_tag(reference, tag) != ""

    def _refuse_protected(self, action: Delete, tags: tuple[Tag, ...]) -> None:
        if self._dry_run:
            return  # all broken rules are told at once, by the judgement of the whole plan
        for tag in tags:
            protection = self._keeping.protection(action.reference, tag)
            if protection:
                reference = action.reference.with_tag(tag)
                raise GuardBroken(f"{protection}: {reference} is protected, and not deleted")

    def _why_kept(
        self, store: ReadStore, action: Delete, tags: tuple[Tag, ...], since: float
    ) -> Applied | None:
        """Why a manifest is left alone, where something needs it that was not there before."""
        if isinstance(action, DeleteTag):
            return None
        allowed = tags if action.allowed_tags is None else action.allowed_tags
        others = sorted(set(tags) - set(allowed))
        if others:
            detail = f"now also tagged: {', '.join(others)}"
            return Applied(action.digest, detail, "skipped")
        if not action.removal or self._dry_run:
            return None
        if action.digest in self._book.needed(store, since=since):
            return Applied(action.digest, "something that is kept uses it now", "skipped")
        return None
