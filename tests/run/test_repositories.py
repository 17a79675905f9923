"""A run at each of the repositories that an entry names."""

import pytest

from regbot.config.values import Repositories, Script
from regbot.errors import NotFound, Stopped
from regbot.events import Message, ignore
from regbot.oci.patterns import Pattern
from regbot.run.repositories import EachRepository, find_places

NAMES = tuple(f"app{number}" for number in range(50))
SCRIPT = Script(
    "tidy", repositories=(Repositories("example.org", tuple(map(Pattern.parse, NAMES))),)
)


class Unasked:
    """The registry, which need not be asked for names that the config has."""


def places():
    return find_places(SCRIPT, Unasked(), ignore).all


@pytest.mark.parametrize("parallel", [0, 1, 4])
def test_a_stop_begins_no_other(parallel):
    begun = []

    def work(place):
        begun.append(place.repository.repository)
        raise Stopped("stopped by SIGTERM")

    with pytest.raises(Stopped):
        EachRepository("tidy", ignore, parallel=parallel).run(places(), work)
    assert len(begun) <= max(1, parallel)


def test_every_other_failure_is_told_and_the_rest_goes_on():
    begun, events = [], []

    def work(place):
        begun.append(place.repository.repository)
        if place.repository.repository == "app3":
            raise NotFound("no tags")

    failures = EachRepository("tidy", events.append, parallel=1).run(places(), work)
    assert begun == list(NAMES)
    assert failures == {"example.org/app3": "example.org/app3: no tags"}
    assert [event.text for event in events if isinstance(event, Message)] == ["no tags"]
