"""One POST to a receiver. Nothing that is said of it names the URL, which may be a secret."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from regbot.errors import ConnectionFailed, CredentialError, InvalidValue, Stopped
from regbot.events import ignore
from regbot.http.cutting import Cutter, Timeouts
from regbot.http.exchange import Request
from regbot.http.hosts import HostSettings, Secret, basic
from regbot.http.pacing import OVERLOADED, Patience, Surroundings, parse_retry_after
from regbot.http.peers import CERTIFICATES, Options, Peer
from regbot.http.proxies import Proxies
from regbot.http.redirects import REDIRECTS, redirected
from regbot.http.slots import Holders
from regbot.http.urls import without_user
from regbot.http.wire import WireSender
from regbot.stopping import Stop
from regbot.values import dataclass
from regbot.version import __version__

TIMEOUTS = Timeouts(connect=10.0, read=20.0)
_MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a try to send something. Without a ``problem`` it has arrived.

    ``retry``: another try may help, ``after`` this many seconds if the receiver said so.
    """

    problem: str = ""
    retry: bool = False
    after: float | None = None


class Poster:
    """Posts to any URL, until ``stop`` says so, by the proxies of an environment.

    Threads may share it: its connections, and what it trusts, are those of all receivers.
    """

    def __init__(
        self, environ: Mapping[str, str], stop: Stop, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        world = Surroundings(time.monotonic, time.time, Stop.wait, random.random, ignore)
        user_agent = f"regbot/{__version__}"
        self._peer = Peer(
            HostSettings("a receiver"),
            Options(world, environ, Patience(), timeouts, CERTIFICATES, user_agent),
            Proxies.from_environment(environ),
            Holders(),
            Cutter(time.monotonic),
            None,
        )
        self._sender = WireSender(self._peer, world=world, stop=stop, limit=0)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """Send a body once. A redirect is followed only to where scheme, host and port stay."""
        try:
            request = _request(url, body, headers)
            for _ in range(_MOST_REDIRECTS + 1):
                with self._sender.send(request) as answer:
                    status, answered = answer.status, answer.headers
                if status not in REDIRECTS:
                    return _judged(status, answered)
                request = redirected(request, status, answered.get("Location", ""))
        except InvalidValue:
            return Delivery("it is redirected elsewhere (write the URL where it leads to)")
        except ConnectionFailed as error:
            return Delivery(_without_advice(error.why), error.retry)
        except CredentialError as error:
            return Delivery(str(error))
        except Stopped:
            return Delivery("there was no time left")
        return Delivery(f"it is redirected more than {_MOST_REDIRECTS} times")

    def close(self) -> None:
        """Close all connections."""
        self._peer.close()


def _request(url: str, body: bytes, headers: Mapping[str, str]) -> Request:
    """A POST; the user and password of a URL are sent as a header (RFC 9110, section 4.2.4)."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), Secret(unquote(parts.password or ""))
    authorization = basic(user, password) if user or password else ""
    return Request(
        "POST", without_user(url), headers=headers, body=body, authorization=authorization
    )


def _judged(status: int, headers: Mapping[str, str]) -> Delivery:
    if 200 <= status < 300:
        return Delivery()
    after = parse_retry_after(headers.get("Retry-After", ""), time.time())
    return Delivery(f"it answered with status {status}", status in OVERLOADED, after)


def _without_advice(why: str) -> str:
    """Why a request failed, without the keys of ``creds`` that help where it is a registry's."""
    return why.partition(" (")[0]
