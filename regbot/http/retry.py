"""Sends a request again where another try may help, and makes an answer an error."""

from __future__ import annotations

from regbot.errors import (
    ConnectionFailed,
    RegistryError,
    RequestError,
    ScriptTimeout,
    Stopped,
    TooManyRequests,
)
from regbot.http.exchange import Request, Response, Sender
from regbot.http.faults import error_of
from regbot.http.pacing import OVERLOADED, Surroundings
from regbot.stopping import Stop

_URGENT_PAUSE = 0.2
_LONGEST_URGENT_PAUSE = 1.0
"""Seconds between the tries of an urgent request, doubled from the first to the longest."""


class RetrySender:
    """Tries ``tries`` times. Answers come back with an expected status; any other raises."""

    def __init__(self, inner: Sender, *, tries: int, world: Surroundings, stop: Stop) -> None:
        self._inner = inner
        self._tries = tries
        self._world = world
        self._stop = stop

    def send(self, request: Request) -> Response:
        """Send it until there is an answer that another try would not change."""
        if request.urgent:
            return self._insist(request)
        left = self._tries if request.retry else 1
        while True:
            left -= 1
            try:
                answer = self._inner.send(request)
            except ConnectionFailed as error:
                if left <= 0 or not error.retry:
                    raise
                continue
            if answer.status in request.expect:
                return answer
            if answer.status not in OVERLOADED:
                raise error_of(answer)  # by no name, which its own traceback would keep
            failure = error_of(answer)
            if left <= 0:
                raise failure.with_advice(_tried(self._tries if request.retry else 1, failure))

    def _insist(self, request: Request) -> Response:
        """Try again and again at short intervals, until the Stop ends it.

        Raises what the Stop says, caused by the last failure.
        """
        pause = _URGENT_PAUSE
        failure: RequestError | None = None
        try:
            while True:
                try:
                    answer = self._inner.send(request)
                except ConnectionFailed as error:
                    failure = error
                else:
                    if answer.status in request.expect:
                        return answer
                    failure = error_of(answer)
                    if answer.status not in OVERLOADED:
                        raise failure
                self._world.wait(self._stop, pause)
                pause = min(2 * pause, _LONGEST_URGENT_PAUSE)
        except (Stopped, ScriptTimeout) as reason:
            raise reason from failure


def _tried(times: int, failure: RegistryError) -> str:
    often = "once" if times == 1 else f"{times} times"
    if isinstance(failure, TooManyRequests):
        return f"it was asked {often} (wait, or set a lower reqPerSec under creds)"
    return f"it was asked {often} (wait, or look at what the registry logs)"
