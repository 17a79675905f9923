"""Sends requests with the Authorization header that their registry wants to see."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

from regbot.errors import (
    ConnectionFailed,
    CredentialError,
    Protected,
    RegistryError,
    SizeMismatch,
    registry_error,
)
from regbot.http.auth import Authenticator
from regbot.http.challenges import parse_challenges
from regbot.http.credentials import Keyring
from regbot.http.exchange import Request, Response, Sender
from regbot.http.faults import MOST_OF_A_BODY, error_of
from regbot.http.hosts import Login
from regbot.http.pacing import turn
from regbot.http.refusals import Refusals
from regbot.http.tokens import Ask, LoginRefused, TokenAnswer
from regbot.http.urls import origin
from regbot.redaction import redacted
from regbot.stopping import Stop

_UNAUTHORIZED = 401
_FORBIDDEN = 403
_LARGEST_TOKEN = 1024 * 1024


class LoginSender:
    """Logs in to one registry; what was learned of its login is shared by all runs.

    ``tokens`` gives the sender for the URL of a token server. It takes no slot of the
    registry, since other requests wait for its answer.
    """

    def __init__(
        self,
        inner: Sender,
        *,
        auth: Authenticator,
        keyring: Keyring,
        refusals: Refusals,
        tokens: Callable[[str], Sender],
        stop: Stop,
    ) -> None:
        self._inner = inner
        self._auth = auth
        self._keyring = keyring
        self._refusals = refusals
        self._tokens = tokens
        self._stop = stop

    def send(self, request: Request) -> Response:
        """Send with what the registry is known to want; on 401 with what it asks for.

        Raises Unauthorized when the login is refused, Forbidden when it does not allow the
        request, and CredentialError.
        """
        auth, scopes = self._auth, request.scopes
        header = auth.ready(scopes)
        if header is None:
            header = self._header(request, lambda login, ask: auth.prepare(scopes, login, ask))
        answer = self._inner.send(_signed(request, header))
        if answer.status == _UNAUTHORIZED and _is_refused(request, answer):
            answer, header = self._challenged(request, answer, header)
        if header and answer.status < 500 and answer.status != _UNAUTHORIZED:
            auth.accepted(scopes)
        if answer.status == _FORBIDDEN and _is_refused(request, answer):
            raise self._advised(error_of(answer), request)
        return answer

    def _challenged(self, request: Request, answer: Response, header: str) -> tuple[Response, str]:
        """Answer the challenges of a 401: the next answer, and the header it was sent."""
        auth, scopes = self._auth, request.scopes
        rounds = auth.rounds(scopes)
        while answer.status == _UNAUTHORIZED and _is_refused(request, answer):
            denied = error_of(answer)
            if isinstance(denied, Protected):
                raise denied
            if not rounds:
                auth.rejected(scopes, header, "the registry refused the login")
                raise self._advised(denied, request, header)
            rounds -= 1
            header = self._answered(request, answer, denied.codes, header)
            answer = self._inner.send(_signed(request, header))
        return answer, header

    def _answered(
        self, request: Request, answer: Response, codes: tuple[str, ...], refused: str
    ) -> str:
        """The header that answers a 401 with error ``codes``."""
        challenge = answer.headers.get("WWW-Authenticate", "")
        self._auth.challenge = challenge or self._auth.challenge
        challenges = parse_challenges(challenge)

        def answered(login: Login, ask: Ask) -> str:
            return self._auth.answer(challenges, request.scopes, login, ask, refused=refused)

        return self._header(request, answered, codes)

    def _header(
        self,
        request: Request,
        header: Callable[[Login, Ask], str],
        codes: tuple[str, ...] = (),
    ) -> str:
        """The Authorization header for a request.

        Raises Unauthorized with the ``codes`` of the answer that asked for a login.
        """
        login = self._keyring.get(self._stop)

        def ask(token_request: Request) -> TokenAnswer:
            return self._ask(replace(token_request, urgent=request.urgent))

        # An urgent request does not wait for a token that another thread fetches.
        lock = self._auth.jar(request.scopes).lock
        try:
            with nullcontext() if request.urgent else turn(lock, self._stop):
                try:
                    return self._named(header, login, ask)
                except LoginRefused:
                    renewed = self._keyring.renew(login, self._stop)
                    if renewed is None:
                        raise
                    self._auth.pardon()
                    return self._named(header, renewed, ask)
        except LoginRefused as error:
            advice = self._refusals.of_login(self._keyring.get(self._stop))
            raise registry_error(
                f"401 Unauthorized: {error}; {advice}",
                method=request.method,
                url=request.url,
                status=_UNAUTHORIZED,
                codes=codes,
            ) from None

    def _named(self, header: Callable[[Login, Ask], str], login: Login, ask: Ask) -> str:
        """The header for a login. Raises CredentialError that names the registry."""
        try:
            return header(login, ask)
        except CredentialError as error:
            raise CredentialError(f"{self._refusals.settings.name}: {error}") from None

    def _advised(self, denied: RegistryError, request: Request, header: str = "") -> RegistryError:
        """The error with what to do. A ``header`` that was refused may be the login itself."""
        if isinstance(denied, Protected):
            return denied
        login = self._keyring.get(self._stop)
        if header and header in (login.basic, login.direct):
            return denied.with_advice(self._refusals.of_login(login))
        return denied.with_advice(self._refusals.of_permission(login, request))

    def _ask(self, request: Request) -> TokenAnswer:
        """Ask a token server."""
        try:
            answer = self._tokens(request.url).send(request)
        except ConnectionFailed as error:
            error.retry = False  # tried often enough: not once more for each try of the request
            raise
        if answer.status >= 300:
            return TokenAnswer(answer.status, answer.start(MOST_OF_A_BODY))
        try:
            return TokenAnswer(answer.status, answer.read(_LARGEST_TOKEN))
        except SizeMismatch:
            raise CredentialError(
                f"the token server {redacted(request.url)} answered with more than a token"
            ) from None


def _signed(request: Request, header: str) -> Request:
    return replace(request, authorization=header) if header else request


def _is_refused(request: Request, answer: Response) -> bool:
    """Whether the registry itself refuses it, and not a place that it redirects to."""
    return answer.status not in request.expect and origin(answer.url) == origin(request.url)
