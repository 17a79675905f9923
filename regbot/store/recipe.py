"""What a script asks of each tag, learned from the last ones, and asked of the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Literal

from regbot.errors import NotFound, RegbotError
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.platform import Platform
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

_REMEMBERED = 24
"""Tags whose questions are remembered: several threads may be at as many."""
_JUDGED_BY = 3
"""The last tags whose questions make the recipe: what most of them were asked."""
_SEARCHED = 8
"""The last indexes in which a child is looked for."""
_LARGEST = 256 * 1024
"""Bytes of a manifest or config that is still kept until it is asked for."""
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Question:
    """One call of a store; ``detail`` is its other argument."""

    call: Literal["head", "manifest", "config", "referrers"]
    name: Name
    detail: object = None


Answers = Mapping[Question, Any]

Read = Callable[[Name], Manifest]
"""How manifests are read."""

Step = tuple[str, object]
"""A question without the tag: the call, or ``child``; whether by digest, or its detail."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to ask of each tag. ``platform`` is that of the image in an index."""

    steps: frozenset[Step] = frozenset()
    platform: Platform | None = None

    @property
    def is_heads_alone(self) -> bool:
        """Whether it has nothing but a HEAD of the tag."""
        return self.steps == {("head", False)}

    @property
    def asks_referrers(self) -> bool:
        """Whether it asks what refers to a manifest."""
        return any(call == "referrers" for call, _ in self.steps)

    def ask(self, store: ReadStore, read: Read, tag: Tag) -> Answers:
        """Ask all of it, manifests by ``read``, as far as it goes without an error."""
        asking = _Asking(store, read)
        try:
            asking.of(tag, self)
        except RegbotError:
            if not asking.answers:
                raise
        return asking.answers


class _Asking:
    """The questions to one tag, and their answers so far."""

    def __init__(self, store: ReadStore, read: Read) -> None:
        self._store = store
        self._read = read
        self.answers: dict[Question, Any] = {}

    def of(self, tag: Tag, recipe: Recipe) -> None:
        steps = recipe.steps
        digest: Digest | None = None
        if ("head", False) in steps:
            digest = self._head(tag)
        manifest = self._manifest(tag) if ("manifest", False) in steps else None
        digest = manifest.digest if manifest else digest
        if digest is None:
            return
        if ("head", True) in steps:
            self._head(digest)
        if ("manifest", True) in steps:
            manifest = self._manifest(digest)
        configs = [limit for call, limit in steps if call == "config"]
        if manifest is not None and (configs or ("child", None) in steps):
            image = self._image(manifest, recipe.platform)
            for limit in configs:
                self._config(image, limit)
        for call, artifact_type in steps:
            if call == "referrers":
                referrers = self._store.referrers(digest, str(artifact_type))
                self.answers[Question("referrers", digest, artifact_type)] = referrers

    def _head(self, name: Name) -> Digest:
        head = self._store.head(name)
        self.answers[Question("head", name)] = head
        return head.digest

    def _manifest(self, name: Name) -> Manifest:
        manifest = self._read(name)
        if manifest.size <= _LARGEST:
            self.answers[Question("manifest", name)] = manifest
        return manifest

    def _image(self, manifest: Manifest, platform: Platform | None) -> Manifest:
        for _ in range(_DEEPEST):
            if not manifest.is_index:
                break
            manifest = self._manifest(manifest.child_for(platform).digest)
        return manifest

    def _config(self, image: Manifest, limit: object) -> None:
        config = image.config
        if config is not None and isinstance(limit, int) and config.size <= _LARGEST:
            found = self._store.config(image, limit=limit)
            self.answers[Question("config", image.digest, limit)] = found


class Habit:
    """What was asked of the last tags. Guarded by its owner."""

    def __init__(self) -> None:
        self._steps: dict[Tag, set[Step]] = {}
        self._owners: dict[Digest, Tag] = {}
        self._indexes: dict[Tag, Manifest] = {}
        self._platform: Platform | None = None
        self._turns = 0

    def begin(self) -> None:
        """The last tag is the first of another walk."""
        self._turns = 1

    def is_new(self, question: Question) -> bool:
        """Whether a script turns to another tag with this question, or once more to one."""
        tag = question.name
        if not isinstance(tag, Tag):
            return False
        steps = self._steps.get(tag)
        return steps is None or (tag != self._last and (question.call, False) in steps)

    def turn_to(self, tag: Tag) -> None:
        """The script asks for another tag."""
        self._turns += 1
        self._steps.pop(tag, None)
        self._steps[tag] = set()
        while len(self._steps) > _REMEMBERED:
            oldest = next(iter(self._steps))
            del self._steps[oldest]
            self._indexes.pop(oldest, None)
        while len(self._owners) > 4 * _REMEMBERED:
            del self._owners[next(iter(self._owners))]

    def learn(self, question: Question, answer: Any) -> None:  # noqa: ANN401 - of any call
        """A question was answered."""
        name, call = question.name, question.call
        if isinstance(name, Tag):
            tag: Tag | None = name
            step: Step = (call, False)
            if call == "manifest" and answer.is_index:
                self._indexes[name] = answer
            self._owners[answer.digest] = name
        else:
            tag = self._owners.get(name) or self._owner_of_child(name)
            is_by_digest = call in ("head", "manifest")
            step = (call, True) if is_by_digest else (call, question.detail)
            if call == "manifest" and tag in self._indexes and self._indexes[tag].digest != name:
                step = ("child", None)
        if tag is not None and tag in self._steps:
            self._steps[tag].add(step)

    @property
    def recipe(self) -> Recipe:
        """What most of the last tags of this walk were asked, the very last aside."""
        judged = list(islice(reversed(self._steps.values()), 1, min(self._turns, 1 + _JUDGED_BY)))
        if judged and judged.count(judged[0]) == len(judged):
            return Recipe(frozenset(judged[0]), self._platform)
        counts = Counter(step for steps in judged for step in steps)
        usual = frozenset(step for step, count in counts.items() if 2 * count > len(judged))
        return Recipe(usual, self._platform)

    @property
    def _last(self) -> Tag | None:
        return next(reversed(self._steps), None)

    def _owner_of_child(self, digest: Digest) -> Tag | None:
        """The tag whose index lists a digest, the latest first; the platform is noted."""
        for tag, index in islice(reversed(self._indexes.items()), _SEARCHED):
            for child in index.manifests:
                if child.digest == digest:
                    self._platform = None if _is_default(index, digest) else child.platform
                    self._owners[digest] = tag
                    return tag
        return None


def _is_default(index: Manifest, digest: Digest) -> bool:
    """Whether a child is the one for the local platform."""
    try:
        return index.child_for(None).digest == digest
    except NotFound:
        return False
