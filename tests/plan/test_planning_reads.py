"""A dry run that looks at what it would delete: the script's own reads are fetched ahead."""

from __future__ import annotations

from functools import partial
from unittest.mock import patch

from support.images import make_image
from support.inprocess import Memory
from support.registry import DISTRIBUTION_3
from support.viewing import AtOnce

from regbot.events import Event, Spared
from regbot.image.resolve import image_of
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan import session
from regbot.plan.action import DeleteTag
from regbot.plan.executor import Terms
from regbot.plan.outcome import Outcomes
from regbot.stopping import Stop
from regbot.store.views import Reading, Views

COUNT = 60
AT_ONCE = partial(Views, background=AtOnce)


def plan_every_other(memory: Memory) -> tuple[list[str], int]:
    """Read every config and plan to delete every other tag: what is left, and reads ahead."""
    ahead: list[Event] = []
    repository = Reference("registry", memory.name, "team/app")
    with (
        patch.object(session, "Views", AT_ONCE),
        session.open_session(
            "clean",
            memory.bind,
            stop=Stop(),
            emit=lambda event: ahead.append(event) if isinstance(event, Spared) else None,
            outcomes=Outcomes(),
            terms=Terms(dry_run=True, evidence=True),
            reading=Reading(readahead=8),
        ) as opened,
    ):
        view = opened.stores.open(repository)
        for number, tag in enumerate(view.tags()):
            view.config(image_of(view, view.manifest(tag)), limit=100_000)
            if number % 2:
                reference = repository.with_tag(tag)
                opened.executor.begin(DeleteTag(reference, may_be_gone=True))
        opened.executor.settle()
        return view.tags(), len(ahead)


def test_looks_at_what_goes_do_not_disturb_the_reads_of_the_script() -> None:
    memory = Memory(DISTRIBUTION_3)
    tags = [Tag(f"v{number:02}") for number in range(COUNT)]
    for number, tag in enumerate(tags):
        memory.registry.put("team/app", tag, make_image(labels={"n": str(number)}))
    left, ahead = plan_every_other(memory)
    assert left == tags[::2]
    assert ahead >= 2 * (COUNT - 6)
