"""A repository of which the next tags are read before a script asks for them.

It never changes a result. What was fetched ahead is an answer of the registry, given
seconds ago: it is used once, while it is fresh and nothing was written since that could
change it. An error is thrown away, and the question asked again when the script comes to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from regbot.events import Emit, Spared
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest, RateLimit
from regbot.oci.tag import Name, Tag
from regbot.stopping import Clock
from regbot.store.ahead import Ahead, Background
from regbot.store.protocol import FRESH_FOR, ReadStore
from regbot.store.recipe import Answers, Habit, Question, Read, Recipe
from regbot.store.view import View
from regbot.store.walk import Walk

_FIRST_WINDOW = 4
"""Tags that are fetched of a repository whose walk is only assumed."""
_MOST_LISTS = 4
"""Lists of tags that are fetched ahead: they may be long."""
_MOST_LISTED = 200_000
"""Tags of all lists of a registry that are kept in mind; a list counts as 2,000 at least."""
_MOST_READY = 512
"""Answers that wait for their questions."""

T = TypeVar("T")


class Host:
    """What the repositories of one registry share, as one run reads them.

    ``open_below`` gives a repository as it is read without read-ahead. ``most`` is the
    largest window. ``counts_pulls``: the registry tells a rate limit, so a GET that is made
    in vain costs something.
    """

    def __init__(
        self,
        open_below: Callable[[str], ReadStore],
        *,
        background: Background,
        most: int,
        emit: Emit,
        clock: Clock,
    ) -> None:
        self.background = background
        self.most = most
        self.clock = clock
        self.counts_pulls = False
        self._open_below = open_below
        self._emit = emit
        self._lists: Ahead[str, list[Tag]] | None = None
        self._lock = threading.Lock()
        self._listed: dict[Readahead, int] = {}
        self._way: int | None = None
        self._recipe = Recipe()

    def expect(self, repositories: list[str]) -> None:
        """The script was given this list, and is likely to list the tags of each."""
        most = min(self.most, _MOST_LISTS)
        self._lists = Ahead(
            Walk(repositories), most=most, run=self.background.run, clock=self.clock
        )

    def tags(self, repository: str) -> list[Tag] | None:
        """The tags of a repository, if they were fetched ahead; the next ones will be."""
        lists = self._lists
        if lists is None or not lists.lists(repository):
            return None
        fetched = lists.move_to(repository, lambda name: self._open_below(name).tags())
        if fetched is None:
            return None
        self.spared()
        return fetched[1]

    def forget(self, repository: str) -> None:
        """Something was written to a repository: its list counts no more."""
        if self._lists is not None:
            self._lists.drop(repository)

    def listed(self, repository: Readahead, count: int) -> None:
        """A list of so many tags was given out; the oldest lists may be too much by now."""
        with self._lock:
            self._listed.pop(repository, None)
            self._listed[repository] = max(count, 2_000)
            kept, gone = sum(self._listed.values()), []
            while kept > _MOST_LISTED and len(self._listed) > 1:
                gone.append(next(iter(self._listed)))
                kept -= self._listed.pop(gone[-1])
        for oldest in gone:
            oldest.let_go()

    def spared(self) -> None:
        """A request was made while the script did something else."""
        self._emit(Spared("read-ahead"))

    def hand_on(self, way: int | None, recipe: Recipe) -> None:
        """Tell how tags are walked, and what each is asked."""
        self._way, self._recipe = way, recipe

    def take(self) -> tuple[int | None, Recipe]:
        """How the next repository will be walked, if it is walked like the last.

        It is taken once: one that is listed and not walked breaks the habit.
        """
        way, self._way = self._way, None
        return way, self._recipe


class Readahead(View):
    """A store to read that learns what comes next, and fetches it. Threads may share it.

    ``known`` gives a manifest without a GET, where it can: for registries that count them.
    """

    def __init__(self, base: ReadStore, host: Host, known: Read | None = None) -> None:
        super().__init__(base)
        self._host = host
        self._known = known
        self._lock = threading.Lock()
        self._habit = Habit()
        self._listed: list[Tag] = []
        self._ahead: Ahead[Tag, Answers] | None = None
        self._ready: dict[Question, tuple[float, object]] = {}
        self._turning: set[Tag] = set()
        self._asks_referrers = False

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags, which are asked for each time, and likely to be walked then."""
        is_whole = limit is None and not last
        tags = self._host.tags(self.repository.repository) if is_whole else None
        if tags is None:
            tags = self._base.tags(limit=limit, last=last)
        self._expect(tags, follows=last)
        return tags

    def head(self, name: Name) -> Head:
        """What a HEAD tells of a manifest."""
        return self._answer(Question("head", name), partial(self._base.head, name))

    def manifest(self, name: Name) -> Manifest:
        """A manifest or index."""
        return self._answer(Question("manifest", name), partial(self._base.manifest, name))

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image."""
        question = Question("config", image.digest, limit)
        return self._answer(question, partial(self._base.config, image, limit=limit))

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a digest."""
        question = Question("referrers", digest, artifact_type)
        return self._answer(question, partial(self._base.referrers, digest, artifact_type))

    def forget(self, tag: Tag | None = None) -> None:
        """Something was written to the repository: what was fetched before counts no more.

        Where nothing but a tag was deleted, the answers about other tags still count, unless
        it takes manifests with it, or they tell of referrers: a registry may list those
        that have a tag alone, or the tag itself may be their list.
        """
        takes_more = self.last_tag_takes_manifest
        with self._lock:
            self._ready.clear()
            if tag is None or takes_more or self._asks_referrers:
                self._turning.clear()
                if self._ahead is not None:
                    self._ahead.drop()
                return
            self._turning.discard(tag)
            if self._ahead is not None:
                self._ahead.drop(tag)

    def let_go(self) -> None:
        """Forget the list, and how it was walked."""
        with self._lock:
            if self._ahead is not None:
                self._ahead.drop()
            self._ahead, self._listed, self._habit = None, [], Habit()
            self._ready.clear()

    def _expect(self, tags: list[Tag], follows: str) -> None:
        """A list was given to the script, or the next page of one that it has not walked."""
        way, recipe = self._host.take()
        with self._lock:
            if self._ahead is not None and tags == self._listed:
                return  # the same again, in the middle of a walk
            is_page = self._ahead is None and self._listed[-1:] == [follows]
            self._listed = [*self._listed, *tags] if is_page else tags
            if self._ahead is not None:
                self._ahead.drop()
            self._ahead = None
            ask = self._asking(recipe)
            if way is not None and ask is not None:
                self._ahead = self._along(Walk(tags, way))
                self._ahead.begin(_FIRST_WINDOW, ask)
            count = len(self._listed)
        self._host.listed(self, count)

    def _asking(self, recipe: Recipe) -> Callable[[Tag], Answers] | None:
        """How a recipe is asked of the next tags; None where it is not to be."""
        read: Read | None = self._base.manifest
        if self._host.counts_pulls and not recipe.is_heads_alone:
            read = self._known
        if read is None or not recipe.steps:
            return None
        self._asks_referrers |= recipe.asks_referrers
        return partial(recipe.ask, self._base, read)

    def _along(self, walk: Walk[Tag]) -> Ahead[Tag, Answers]:
        host = self._host
        return Ahead(walk, most=host.most, run=host.background.run, clock=host.clock)

    def _answer(self, question: Question, ask: Callable[[], T]) -> T:
        """The answer that was fetched ahead, else one that is asked for now."""
        if not self._listed:
            return ask()
        tag = question.name
        if isinstance(tag, Tag):
            self._turn_to(tag, question)
        with self._lock:
            began, answer = self._ready.pop(question, (float("-inf"), None))
        if answer is None or self._host.clock() - began >= FRESH_FOR:
            answer = ask()
        else:
            self._host.spared()
        with self._lock:
            self._habit.learn(question, answer)
        if isinstance(answer, Head | Manifest) and answer.rate_limit != RateLimit():
            self._host.counts_pulls = True
        return cast("T", answer)

    def _turn_to(self, tag: Tag, question: Question) -> None:
        """See whether this is the next tag of a walk; make its answers ready if so."""
        host = self._host
        with self._lock:
            if self._ahead is None:
                self._ahead = self._along(Walk(self._listed))
            ahead = self._ahead
            if not (ahead.lists(tag) and self._habit.is_new(question)):
                return
            self._habit.turn_to(tag)
            self._turning.add(tag)
            recipe = self._habit.recipe
        fetched = ahead.move_to(tag, self._asking(recipe))
        host.hand_on(ahead.way, recipe)
        with self._lock:
            holds = tag in self._turning
            self._turning.discard(tag)
            if fetched is None:
                if ahead.is_lost:
                    self._habit.begin()
                return
            began, answers = fetched
            if holds:
                self._ready.update({given: (began, answers[given]) for given in answers})
            while len(self._ready) > _MOST_READY:
                del self._ready[next(iter(self._ready))]
        if question not in answers:
            ahead.regret()
