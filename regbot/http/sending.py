"""Sends one request to one host: pace -> login -> redirects -> retry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from regbot.errors import (
    ConnectionFailed,
    CredentialError,
    InvalidValue,
    Protected,
    RegistryError,
    RequestError,
    ScriptTimeout,
    SizeMismatch,
    Stopped,
    registry_error,
)
from regbot.events import Exchanged
from regbot.http.auth import Flow
from regbot.http.challenges import parse_challenges
from regbot.http.exchange import Scope
from regbot.http.faults import MOST_OF_A_BODY, fault
from regbot.http.hosts import Login
from regbot.http.outgoing import MOST_REDIRECTS, REDIRECTS, Outgoing, redirected
from regbot.http.pacing import OVERLOADED, Pace, Surroundings, parse_retry_after, turn
from regbot.http.peers import Peer, Peers
from regbot.http.tokens import LoginRefused, TokenAnswer, TokenRequest
from regbot.http.urls import origin, redacted
from regbot.http.wire import WireResponse
from regbot.stopping import Stop

_LARGEST_TOKEN = 1024 * 1024
_NONE: frozenset[int] = frozenset()
_URGENT_PAUSE = 0.2
_LONGEST_URGENT_PAUSE = 1.0
"""Seconds between the tries of an urgent request, doubled from the first to the longest."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready for one peer. ``login`` False: it carries no credentials."""

    outgoing: Outgoing
    scopes: tuple[Scope, ...]
    expect: frozenset[int]
    tries: int
    login: bool = True
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends for one run, until its Stop says so.

    ``limit`` bounds what ``Response.read`` takes, in bytes.
    """

    peers: Peers
    world: Surroundings
    stop: Stop
    tries: int
    limit: int

    def send(self, peer: Peer, prepared: Prepared) -> WireResponse:
        """An answer with an expected status; any other raises its error."""
        attempt = self._authorized if prepared.login else self._anonymous
        if prepared.urgent:
            answer = self._insist(lambda: attempt(peer, prepared), prepared.expect)
        else:
            answer = self._persist(
                peer.pace, lambda: attempt(peer, prepared), prepared.expect, prepared.tries
            )
        if answer.status in prepared.expect:
            return answer
        raise self._fault(answer)

    def _persist(
        self, pace: Pace, attempt: Callable[[], WireResponse], expect: frozenset[int], tries: int
    ) -> WireResponse:
        """Try until there is an answer that another try would not change."""
        while True:
            tries -= 1
            began = pace.start(self.stop)
            try:
                answer = attempt()
            except ConnectionFailed as error:
                if error.retry:
                    pace.failed(began, "the connection failed")
                if tries <= 0 or not error.retry:
                    raise
                continue
            if answer.status in expect or answer.status not in OVERLOADED:
                pace.succeeded()
                return answer
            after = parse_retry_after(answer.headers.get("Retry-After", ""), self.world.wall())
            pace.failed(began, f"status {answer.status}", after)
            error_answer = self._fault(answer)
            if tries <= 0:
                raise error_answer

    def _insist(self, attempt: Callable[[], WireResponse], expect: frozenset[int]) -> WireResponse:
        """Try again and again at short intervals, until the Stop ends it.

        Raises what the Stop says, caused by the last failure.
        """
        pause = _URGENT_PAUSE
        failure: RequestError | None = None
        try:
            while True:
                try:
                    answer = attempt()
                except ConnectionFailed as error:
                    failure = error
                else:
                    if answer.status in expect or answer.status not in OVERLOADED:
                        return answer
                    failure = self._fault(answer)
                self.world.wait(self.stop, pause)
                pause = min(2 * pause, _LONGEST_URGENT_PAUSE)
        except (Stopped, ScriptTimeout) as reason:
            raise reason from failure

    def _anonymous(self, peer: Peer, prepared: Prepared) -> WireResponse:
        return self._follow(peer, prepared.outgoing, prepared.expect, slots=not prepared.urgent)

    def _authorized(self, peer: Peer, prepared: Prepared) -> WireResponse:
        """Send with what the host is known to want; on 401 with what it asks for."""
        scopes, auth = prepared.scopes, peer.auth
        header = auth.ready(scopes)
        if header is None:
            header = self._login(peer, prepared, lambda c: auth.prepare(scopes, c))
        answer = self._signed(peer, prepared, header)
        for _ in range(auth.rounds(scopes)):
            denied = self._denied(answer, prepared)
            if denied is None:
                break
            header = self._answered(peer, prepared, answer, denied.codes, header)
            if not prepared.urgent:
                peer.pace.start(self.stop)
            answer = self._signed(peer, prepared, header)
        denied = self._denied(answer, prepared)
        if denied is not None:
            auth.rejected(scopes, header, "the registry refused the login")
            raise denied
        if answer.status < 500 and answer.status != 401:
            auth.accepted(scopes, header)
        return answer

    def _signed(self, peer: Peer, prepared: Prepared, header: str) -> WireResponse:
        return self._follow(
            peer,
            prepared.outgoing.signed(header),
            prepared.expect,
            slots=not prepared.urgent,
        )

    def _denied(self, answer: WireResponse, prepared: Prepared) -> RegistryError | None:
        """The error of an answer that wants another login.

        Raises Protected where a 401 is not about the login at all.
        """
        if not _wants_login(answer, prepared):
            return None
        denied = self._fault(answer)
        if isinstance(denied, Protected):
            raise denied
        return denied

    def _answered(
        self,
        peer: Peer,
        prepared: Prepared,
        answer: WireResponse,
        codes: tuple[str, ...],
        sent: str,
    ) -> str:
        """The header that answers the challenges of a 401 with error ``codes``."""
        header = answer.headers.get("WWW-Authenticate", "")
        challenges = parse_challenges(header)
        peer.auth.challenge = header or peer.auth.challenge

        def flow(login: Login) -> Flow:
            return peer.auth.answer(challenges, prepared.scopes, login, refused=sent)

        return self._login(peer, prepared, flow, codes)

    def _login(
        self,
        peer: Peer,
        prepared: Prepared,
        flow: Callable[[Login], Flow],
        codes: tuple[str, ...] = (),
    ) -> str:
        """The Authorization header that a flow comes to.

        Raises Unauthorized with the ``codes`` of the answer that asked for a login.
        """
        login = peer.keyring.get(self.stop)
        urgent = prepared.urgent
        # An urgent request does not wait for a token that another thread fetches.
        lock = peer.auth.jar(prepared.scopes).lock
        try:
            with nullcontext() if urgent else turn(lock, self.stop):
                try:
                    return self._drive(peer, flow(login), urgent=urgent)
                except LoginRefused:
                    fresh = peer.keyring.renew(login, self.stop)
                    if fresh is None:
                        raise
                    peer.auth.pardon()
                    return self._drive(peer, flow(fresh), urgent=urgent)
        except LoginRefused as error:
            why = f"401 Unauthorized: {error}"
            raise _registry_error(prepared.outgoing, why, 401, codes) from None

    def _drive(self, peer: Peer, flow: Flow, *, urgent: bool) -> str:
        try:
            asked = next(flow)
            while True:
                asked = flow.send(self._token(peer, asked, urgent=urgent))
        except StopIteration as done:
            return str(done.value)

    def _token(self, peer: Peer, asked: TokenRequest, *, urgent: bool) -> TokenAnswer:
        """Ask a token server. It takes no slot, since others wait for its answer."""
        outgoing = Outgoing(asked.method, asked.url, asked.headers, asked.body)

        def attempt() -> WireResponse:
            return self._follow(peer, outgoing, _NONE, slots=False)

        try:
            if urgent:
                answer = self._insist(attempt, _NONE)
            else:
                pace = self.peers.pace(origin(asked.url)[1])
                answer = self._persist(pace, attempt, _NONE, self.tries)
        except ConnectionFailed as error:
            error.retry = False  # tried often enough: not once more for each try of the request
            raise
        if answer.status >= 300:
            return TokenAnswer(answer.status, answer.peek(MOST_OF_A_BODY))
        try:
            return TokenAnswer(answer.status, answer.read(_LARGEST_TOKEN))
        except SizeMismatch:
            raise CredentialError(
                f"the token server {redacted(asked.url)} answered with more than a token"
            ) from None

    def _follow(
        self, peer: Peer, outgoing: Outgoing, expect: frozenset[int], *, slots: bool = True
    ) -> WireResponse:
        """Send, and go where redirects lead."""
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._once(peer, outgoing, slots=slots)
            if answer.status in expect or answer.status not in REDIRECTS:
                return answer
            answer.close()
            try:
                location = answer.headers.get("Location", "")
                outgoing = redirected(outgoing, answer.status, location)
            except InvalidValue as error:
                raise _registry_error(outgoing, str(error), answer.status) from None
        why = f"is redirected more than {MOST_REDIRECTS} times"
        raise _registry_error(outgoing, why, answer.status)

    def _once(self, peer: Peer, outgoing: Outgoing, *, slots: bool) -> WireResponse:
        wire = peer.wire
        give_back = peer.slots.take(self.stop) if slots else _nothing
        began = self.world.clock()
        status = 0
        try:
            answer = wire.send(outgoing, self.stop, limit=self.limit)
            status = answer.status
        except BaseException:
            give_back()
            raise
        finally:
            seconds = self.world.clock() - began
            name, url = peer.settings.name, redacted(outgoing.url)
            self.world.emit(Exchanged(name, outgoing.method, url, status, seconds))
        answer.hold(give_back)
        return answer

    def _fault(self, answer: WireResponse) -> RegistryError:
        sent = answer.sent
        body = answer.peek(MOST_OF_A_BODY)
        return fault(sent.method, sent.url, answer.status, body, sent.secrets())


def _wants_login(answer: WireResponse, prepared: Prepared) -> bool:
    """Whether the registry itself, and not a place it redirects to, wants a login."""
    if answer.status != 401 or 401 in prepared.expect:
        return False
    return origin(answer.url) == origin(prepared.outgoing.url)


def _registry_error(
    outgoing: Outgoing, why: str, status: int, codes: Sequence[str] = ()
) -> RegistryError:
    url = redacted(outgoing.url)
    return registry_error(why, method=outgoing.method, url=url, status=status, codes=tuple(codes))


def _nothing() -> None:
    """Gives nothing back."""
