"""What the sources of one run say: each is read once, when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from regbot.errors import InternalError, RegbotError, UseUnknown
from regbot.events import Emit, Message
from regbot.plan.uses import InUse, Uses
from regbot.rules.in_use.mention import Mention, Seen
from regbot.rules.in_use.settings import (
    Cluster,
    Command,
    ComposeFile,
    ImageList,
    InUseSettings,
    Source,
)
from regbot.rules.in_use.sightings import Sightings
from regbot.stopping import Stop
from regbot.values import dataclass

_POLL = 0.1
"""Seconds between two looks whether the run has to end."""
_ENDS_WITHIN = 3.0
"""Seconds that the end of a program is waited for."""


class _Until(Stop):
    """Ends what is read with the run, and when nobody needs it any more."""

    def __init__(self, run: Stop) -> None:
        super().__init__()
        self._run = run

    def reason(self) -> RegbotError | None:
        """The run's reason to end, or this one's own."""
        return self._run.reason() or super().reason()


@dataclass(slots=True)
class Answer:
    """What a source says, once it was read. ``error`` says why it could not be."""

    source: Source
    seen: Seen = Seen()
    error: RegbotError | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self, stop: Stop) -> None:
        """Wait for its end. Raises what the Stop says."""
        while not self.ended.wait(_POLL):
            stop.check()
        stop.check()  # which may be why it ended


class Answers:
    """What the sources of one run say. Threads may share it.

    ``record`` notes in the ``sightings`` what was seen; a dry run does not.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        sightings: Sightings,
        emit: Emit,
        stop: Stop,
        *,
        record: bool,
    ) -> None:
        self._environ = environ
        self._sightings = sightings
        self._emit = emit
        self._stop = _Until(stop)
        self._record = record
        self._lock = threading.Lock()
        self._known: dict[Source, Answer] = {}

    def close(self) -> None:
        """End what is still read; a program that was started has ended then."""
        self._stop.ask()
        for source, answer in list(self._known.items()):
            if isinstance(source, Command):
                answer.ended.wait(_ENDS_WITHIN)

    def of(self, settings: InUseSettings, stop: Stop) -> InUse | None:
        """What is in use by these settings; None where they name no source."""
        return _InUse(settings, self, stop) if settings.sources else None

    def read(self, sources: Sequence[Source], stop: Stop) -> list[Answer]:
        """Read the sources that were not read yet, all at once. Raises what the Stop says."""
        with self._lock:
            answers = [self._known.get(source) or self._begun(source) for source in sources]
        for answer in answers:
            answer.wait(stop)
        return answers

    def told(self, settings: InUseSettings, stop: Stop) -> tuple[list[Answer], list[Mention]]:
        """What all sources say now, and what was seen before and counts too.

        Raises UseUnknown where the latter can't be read or noted, and what the Stop says.
        """
        answers = self.read(settings.sources, stop)
        window = settings.seen_within
        if window is None:
            return answers, []
        now = {mention.text for answer in answers for mention in answer.seen.mentions}
        if self._record:
            self._sightings.add(_by_source(answers), window)
        seen = self._sightings.within(window)
        return answers, [mention for mention in seen if mention.text not in now]

    def uses(self, settings: InUseSettings, stop: Stop) -> Uses:
        """All that is in use. Raises UseUnknown that names the sources which can't be read."""
        answers, before = self.told(settings, stop)
        failures = [answer for answer in answers if answer.error]
        if failures:
            told = "; ".join(map(_told, failures))
            raise UseUnknown(f"{told} (regbot in-use reads the sources again and shows them)")
        now = [mention for answer in answers for mention in answer.seen.mentions]
        return Uses(mention.use(settings.rewrites) for mention in (*now, *before))

    def _begun(self, source: Source) -> Answer:
        """Begin to read a source, in a thread that ends with the process if it never does."""
        answer = self._known[source] = Answer(source)
        thread = threading.Thread(target=self._finish, args=(answer,), name="in use", daemon=True)
        thread.start()
        return answer

    def _finish(self, answer: Answer) -> None:
        try:
            answer.seen = _reader(answer.source, self._environ, self._stop)()
        except RegbotError as error:
            answer.error = error
        except Exception as error:  # noqa: BLE001 - a defect here must not delete anything
            answer.error = InternalError(error)
        self._tell(answer)
        answer.ended.set()

    def _tell(self, answer: Answer) -> None:
        name = answer.source.name
        if answer.error is None:
            count = len({mention.text for mention in answer.seen.mentions})
            self._emit(Message("info", "images in use", {"source": name, "images": count}))
        for note in answer.seen.notes:
            self._emit(Message("warn", f"in use: {note}", {"source": name}))


class _InUse:
    """What is in use by the settings of one script."""

    def __init__(self, settings: InUseSettings, answers: Answers, stop: Stop) -> None:
        self._settings = settings
        self._answers = answers
        self._stop = stop
        self._lock = threading.Lock()
        self._uses: Uses | None = None
        self._failure: UseUnknown | None = None

    def uses(self) -> Uses:
        """See InUse."""
        with self._lock:
            if self._failure:
                raise UseUnknown(str(self._failure))
            if self._uses is None:
                try:
                    self._uses = self._answers.uses(self._settings, self._stop)
                except UseUnknown as error:
                    self._failure = error
                    raise
            return self._uses


def _by_source(answers: Sequence[Answer]) -> dict[str, tuple[Mention, ...]]:
    return {answer.source.name: answer.seen.mentions for answer in answers if not answer.error}


def _told(answer: Answer) -> str:
    return f"nothing is deleted, since {answer.source.name} can't be read: {answer.error}"


def _reader(source: Source, environ: Mapping[str, str], stop: Stop) -> Callable[[], Seen]:
    """What reads a source; the code for the kinds that are not asked for is not loaded."""
    match source:
        case Cluster():
            return lambda: _read_cluster(source, environ, stop)
        case ComposeFile():
            from regbot.rules.in_use.compose import read_compose

            return lambda: read_compose(source, environ)
        case ImageList():
            from regbot.rules.in_use.listed import read_list

            return lambda: read_list(source)
        case Command():
            from regbot.rules.in_use.listed import read_command

            return lambda: read_command(source, environ, stop)


def _read_cluster(cluster: Cluster, environ: Mapping[str, str], stop: Stop) -> Seen:
    from regbot.rules.in_use.cluster_api import open_cluster
    from regbot.rules.in_use.kubernetes import read_cluster

    with open_cluster(cluster, environ, stop) as api:
        return read_cluster(cluster, api)
