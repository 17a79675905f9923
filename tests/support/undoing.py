"""A repository whose content a run deletes and an undo puts back."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

from regbot.errors import NotFound
from regbot.events import ignore
from regbot.journal.undo import undo
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT as LIMIT
from regbot.plan.apply import Applier
from regbot.plan.executor import Executor
from regbot.plan.outcome import Outcomes
from regbot.plan.session import Session
from support.images import make_image, make_index, make_layer
from support.journals import begin

OLD, NEW = make_image(created="2020-01-01T00:00:00Z"), make_image()


def door_to(stores, stop):
    """What opens the door of an undo to these stores."""

    @contextmanager
    def open_door(terms):
        with ExitStack() as archives:
            applier = Applier(stores, stores, stop, ignore, LIMIT, archives, stores)
            executor = Executor("undo", applier, Outcomes(), ignore, terms)
            yield Session(stores, executor, lambda _: None, lambda: None)

    return open_door


class World:
    """A repository, a journal, and a run that has begun."""

    def __init__(self, journal, stores, place, stop):
        self.journal, self.stores, self.stop = journal, stores, stop
        self.store = stores.open(place)
        self.run = begin(journal)

    def undo(self, run="", **options):
        return undo(
            self.journal,
            run or self.run.id,
            door_to(self.stores, self.stop),
            stop=self.stop,
            **options,
        )

    def tags(self):
        """The tags and what is on them, without the lists of referrers."""
        try:
            tags = self.store.tags()
        except NotFound:
            return {}
        return {tag: self.store.head(tag).digest for tag in tags if not tag.startswith("sha256-")}


def statuses(found):
    return {str(undone.reference.name): undone.status for undone in found}


def two_platforms():
    return make_index(
        {
            "linux/amd64": make_image(layers=[make_layer("amd")]),
            "linux/arm64": make_image(platform="linux/arm64", layers=[make_layer("arm")]),
        }
    )
