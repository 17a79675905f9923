"""A repository whose content a run deletes and an undo puts back."""

from __future__ import annotations

from regbot.errors import NotFound
from regbot.journal.undo import undo
from support.images import make_image, make_index, make_layer
from support.journals import begin

OLD, NEW = make_image(created="2020-01-01T00:00:00Z"), make_image()


class World:
    """A repository, a journal, and a run that has begun."""

    def __init__(self, journal, stores, place, stop):
        self.journal, self.stores, self.stop = journal, stores, stop
        self.store = stores.open(place)
        self.run = begin(journal)

    def undo(self, run="", **options):
        return undo(self.journal, run or self.run.id, self.stores, stop=self.stop, **options)

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
