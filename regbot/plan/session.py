"""The stores and the executor of one run: live, or in a dry run all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from regbot.events import Emit
from regbot.http.exchange import Exchange
from regbot.image.deliveries import Deliveries
from regbot.plan.apply import Applier
from regbot.plan.executor import Executor, Terms
from regbot.plan.gathering import tags_in
from regbot.plan.judgement import TagsOf
from regbot.plan.outcome import Outcomes
from regbot.plan.settled import SettledStores
from regbot.plan.turns import Turns
from regbot.stopping import Stop
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores
from regbot.store.protocol import ReadStores, Stores
from regbot.store.views import Reading, Views
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """What one run reads from, and the one door through which it changes anything.

    ``tags_of`` gives the tags of a repository as they are without what the run itself
    plans. ``planned`` has what a dry run plans.
    """

    stores: ReadStores
    executor: Executor
    tags_of: TagsOf
    planned: OverlayStores | None

    def keep(self) -> None:
        """Let the scripts after it see what it planned; a live run has no plan to keep."""
        if self.planned:
            self.planned.keep()


@contextmanager
def open_session(
    name: str,
    bind: Callable[[Stop], Exchange],
    *,
    stop: Stop,
    emit: Emit,
    outcomes: Outcomes,
    terms: Terms,
    after: OverlayStores | None = None,
    work_dir: Path | None = None,
    reading: Reading = Reading(),
    turns: Turns | None = None,
    deliveries: Deliveries | None = None,
    fixture: ReadStores | None = None,
) -> Iterator[Session]:
    """Open the stores of a run called ``name``, and clean up behind it.

    In a dry run nothing that can write is opened: reads and planned writes meet in
    an overlay, with what ``after`` has planned before. Layout folders have to be in
    ``work_dir``; None lets them be anywhere. ``reading`` says how registries are read by
    the script; nothing else rests on answers that were fetched ahead. What a write changes
    is read from the registry itself, and an image that is copied is what its tag is on at
    that moment. ``turns`` are taken together with other runs that change something, and
    ``deliveries`` are those of the run; a dry run has its own of both. ``fixture`` is what a
    dry run reads in place of registries and layout folders; then one thing is done after the
    other, so that every run asks in the same order.
    """
    if fixture and not terms.dry_run:
        raise ValueError("a fixture is for dry runs alone")
    exchange = bind(stop)
    needed = terms.journal.needed if terms.journal else None
    opened = OpenStores(exchange, stop=stop, emit=emit, needed=needed, work_dir=work_dir)
    views = Views(opened, exchange, reading, emit=emit)
    stores: Stores
    real: ReadStores
    planned: OverlayStores | None = None
    with ExitStack() as ending:
        ending.callback(views.close)
        if terms.dry_run:
            stores = planned = OverlayStores(fixture or views.direct, after=after)
            real = fixture or opened
        else:
            writing = opened.for_writing(bind, written=views.written)
            ending.callback(writing.close)
            stores = real = writing
        applier = Applier(
            stores,
            planned or views.direct,
            stop,
            emit,
            exchange.blob_limit,
            ending,
            real=real,
            writes_files=not terms.dry_run,
            registries=exchange.names,
            one_at_a_time=exchange.turn,
            planned=None if fixture else planned,
            turns=Turns() if terms.dry_run or turns is None else turns,
            deliveries=Deliveries() if terms.dry_run or deliveries is None else deliveries,
        )
        executor = Executor(name, applier, outcomes, emit, terms)
        ending.callback(executor.close)
        before_this_run: list[ReadStores] = [real, after.through(real)] if after else [real]
        seen: ReadStores = planned.through(fixture or views) if planned else views
        yield Session(
            SettledStores(seen, executor.settle_before),
            executor,
            lambda reference: tags_in(*(each.open(reference) for each in before_this_run)),
            planned,
        )
