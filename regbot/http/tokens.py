"""Fetching a bearer token from a token server (distribution spec's token protocol).

https://distribution.github.io/distribution/spec/auth/token/ and .../oauth/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from regbot.errors import CredentialError, InvalidValue
from regbot.http.challenges import Challenge
from regbot.http.exchange import Request, Scope
from regbot.http.faults import FORM, summary
from regbot.http.hosts import IDENTITY_USER, Login, basic
from regbot.http.pacing import OVERLOADED
from regbot.http.redirects import REDIRECTS
from regbot.http.urls import origin
from regbot.redaction import printable, redacted
from regbot.values import dataclass

CLIENT_ID = "regbot"
_ACCEPT = {"Accept": "application/json"}
SHORTEST_LIFE = 60.0
"""Seconds a token lives at least, whatever the server says."""

ANSWERS = frozenset(range(100, 600)) - OVERLOADED - REDIRECTS
"""Statuses that a token server answers with; the others are its troubles."""

_RENEWED_AT = 0.9
_LONGEST_LIFE = 86400.0 * 365


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What a token server answered."""

    status: int
    body: bytes = field(repr=False)


Ask = Callable[[Request], TokenAnswer]
"""Asks a token server."""


class LoginRefused(Exception):
    """The login was refused, or there is none that fits.

    ``status`` is the answer of the token server, 0 where none was asked.
    """

    def __init__(self, why: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Token:
    """A token, what it was asked for, and the monotonic time to renew it at."""

    header: str = field(repr=False)
    scopes: tuple[Scope, ...]
    good_until: float

    def covers(self, wanted: Iterable[Scope]) -> bool:
        """Whether it was asked for all of these."""
        held = {(scope.kind, scope.name): set(scope.actions) for scope in self.scopes}
        for scope in wanted:
            actions = held.get((scope.kind, scope.name), set())
            if "*" not in actions and not actions.issuperset(scope.actions):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Realm:
    """A token server as a registry names it."""

    url: str
    service: str = ""

    @classmethod
    def of(cls, challenge: Challenge, *, secure: bool) -> Realm:
        """The realm of a bearer challenge, which anybody in between may have written.

        Credentials go there, so it has to be https unless the registry itself is not
        (``secure`` False). Raises CredentialError.
        """
        realm = challenge.parameters.get("realm", "")
        try:
            scheme, _, _ = origin(realm)
        except InvalidValue as error:
            raise CredentialError(f"the registry names a token server, but {error}") from None
        if "@" in urlsplit(realm).netloc:
            raise CredentialError("the registry names a token server with a user in its URL")
        if secure and scheme != "https":
            raise CredentialError(
                f"the registry names the token server {redacted(realm)}, and credentials "
                "of an https registry are not sent to an http one"
            )
        return cls(realm, challenge.parameters.get("service", ""))

    def get(self, scopes: Iterable[Scope], user: str, authorization: str) -> Request:
        """The request by GET, with basic authentication or without any."""
        parts = urlsplit(self.url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        query += [("service", self.service)] if self.service else []
        query += [("scope", str(scope)) for scope in scopes]
        query += [("account", user)] if user else []
        query.append(("client_id", CLIENT_ID))
        url = urlunsplit(parts._replace(query=urlencode(query), fragment=""))
        return Request("GET", url, ANSWERS, headers=_ACCEPT, authorization=authorization)

    def post(self, scopes: Iterable[Scope], refresh_token: str) -> Request:
        """The request that exchanges an identity token (OAuth 2, section 6)."""
        form = {
            "grant_type": "refresh_token",
            "service": self.service,
            "client_id": CLIENT_ID,
            "scope": " ".join(map(str, scopes)),
            "refresh_token": refresh_token,
        }
        headers = {**_ACCEPT, "Content-Type": FORM}
        body = urlencode(form).encode("ascii")
        return Request("POST", self.url, ANSWERS, headers=headers, body=body)


def fetch_token(
    realm: Realm, scopes: tuple[Scope, ...], login: Login, ask: Ask, *, now: float, wall: float
) -> Token:
    """Ask for a token: by POST with an identity token, else by GET.

    Raises LoginRefused, or CredentialError when the answer is no token.
    """
    identity = login.identity_token
    if identity:
        answer = ask(realm.post(scopes, identity.reveal()))
        if answer.status < 300:
            return _token(realm, answer, scopes, now=now, wall=wall)
        if answer.status in {401, 403} and not login.basic:
            raise _refused(realm, answer, login)
    header = login.basic
    if identity and not login.password:
        header = basic(login.user or IDENTITY_USER, identity)
    answer = ask(realm.get(scopes, login.user, header))
    if answer.status < 300:
        return _token(realm, answer, scopes, now=now, wall=wall)
    raise _refused(realm, answer, login)


def _refused(realm: Realm, answer: TokenAnswer, login: Login) -> LoginRefused:
    reason = summary(answer.body)
    for secret in login.secrets():
        reason = reason.replace(printable(secret), "***")
    who = "the login" if login else "an anonymous token"
    why = f"the token server {redacted(realm.url)} refused {who} ({answer.status})"
    return LoginRefused(f"{why}: {reason}" if reason else why, status=answer.status)


def _token(
    realm: Realm, answer: TokenAnswer, scopes: tuple[Scope, ...], *, now: float, wall: float
) -> Token:
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        data = None
    data = data if isinstance(data, dict) else {}
    value = data.get("token") or data.get("access_token")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise CredentialError(f"the token server {redacted(realm.url)} answered without a token")
    age = max(0.0, wall - _time(data.get("issued_at"), wall))
    life = _number(data.get("expires_in"))
    left = max(SHORTEST_LIFE, life - age if age < life else life)
    return Token(f"Bearer {value}", scopes, now + left * _RENEWED_AT)


def _number(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, (int, float, str)) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(seconds, _LONGEST_LIFE) if seconds > 0 else 0.0


def _time(value: object, default: float) -> float:
    try:
        date = datetime.fromisoformat(value) if isinstance(value, str) else None
        if date is None:
            return default
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return default


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The scopes of a challenge: ``repository:app:pull,push`` parted by spaces."""
    scopes = []
    for part in text.split():
        kind, _, rest = part.partition(":")
        name, colon, actions = rest.rpartition(":")
        if colon and kind and name:
            scopes.append(
                Scope(kind, name, tuple(action for action in actions.split(",") if action))
            )
    return tuple(scopes)


def united(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Scopes with the actions of the same thing put together, the first ones first."""
    held: dict[tuple[str, str], dict[str, None]] = {}
    for scope in scopes:
        held.setdefault((scope.kind, scope.name), {}).update(dict.fromkeys(scope.actions))
    return tuple(Scope(kind, name, tuple(actions)) for (kind, name), actions in held.items())
