"""Answers to challenges: basic, and bearer tokens (distribution's token protocol).

Nothing is sent from here: who wants a header says how a token server is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace

from regbot.http.challenges import Challenge
from regbot.http.exchange import Scope
from regbot.http.hosts import Login
from regbot.http.tokens import (
    Ask,
    LoginRefused,
    Realm,
    Token,
    fetch_token,
    parse_scopes,
    united,
)
from regbot.stopping import Clock
from regbot.values import dataclass

REFUSED_FOR = 300.0
MOST_SCOPES = 16
"""Scopes that one token is asked for; more make headers that servers refuse."""

_DELETE = "delete"
_BAD_REQUEST = 400
_UNAUTHORIZED = 401
_MOST_TOKENS = 64
_MOST_REMEMBERED = 1000


@dataclass(slots=True)
class Jar:
    """Tokens that are fetched one at a time, under the lock: newest first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tokens: tuple[Token, ...] = ()
    scopes: tuple[Scope, ...] = ()

    def find(self, scopes: Iterable[Scope], now: float) -> Token | None:
        """A token that allows the scopes and has not ended."""
        wanted = tuple(scopes)
        return next((token for token in self._alive(now) if token.covers(wanted)), None)

    def add(self, token: Token, now: float) -> None:
        """Keep a token, and forget those that ended."""
        self.tokens = (token, *self._alive(now))[:_MOST_TOKENS]

    def drop(self, header: str) -> None:
        """Forget a token that was refused, and those that are older."""
        headers = [token.header for token in self.tokens]
        if header in headers:
            self.tokens = self.tokens[: headers.index(header)]

    def _alive(self, now: float) -> Iterator[Token]:
        return (token for token in self.tokens if now < token.good_until)


class Authenticator:
    """What one host wants to see, shared by all threads.

    ``prepare`` and ``answer`` are to be called with the ``lock`` of the ``jar`` of their
    scopes held, so that requests at the same time share one token. ``challenge`` is the last
    WWW-Authenticate header of the host, which tells what kind of registry it is.
    """

    def __init__(self, *, secure: bool, repo_auth: bool, clock: Clock, wall: Clock) -> None:
        self._secure = secure
        self._repo_auth = repo_auth
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._jars: dict[str, Jar] = {}
        self.challenge = ""
        self._asks: Realm | str | None = None
        self._to_delete: tuple[str, ...] = ()
        self._refused: dict[frozenset[Scope] | None, tuple[float, str]] = {}
        self._worked: set[frozenset[Scope]] = set()

    def jar(self, scopes: Sequence[Scope]) -> Jar:
        """Where the tokens for these scopes are: one jar a host, or one a repository."""
        key = " ".join(sorted(scope.name for scope in scopes)) if self._repo_auth else ""
        with self._lock:
            return self._jars.setdefault(key, Jar())

    def ready(self, scopes: Sequence[Scope]) -> str | None:
        """The header that needs nothing more done, empty for none; None: run ``prepare``."""
        if self._asks is None:
            return ""
        if not isinstance(self._asks, Realm) or self._refused:
            return None
        needed = self._needed(scopes)
        if needed is None:
            return ""
        token = self.jar(scopes).find(needed, self._clock())
        return token.header if token else None

    def prepare(self, scopes: Sequence[Scope], login: Login, ask: Ask) -> str:
        """The header for a request, from what was asked before.

        Raises LoginRefused without asking again when it was refused of late.
        """
        self._recall(scopes)
        if isinstance(self._asks, Realm):
            needed = self._needed(scopes)
            if needed is None:
                return ""
            token = self.jar(scopes).find(needed, self._clock())
            if token:
                return token.header
            try:
                return self._fetch(self._asks, scopes, needed, login, ask)
            except LoginRefused as error:
                if error.status != _BAD_REQUEST:
                    raise
                return ""  # the registry's challenge will name what can be asked for
        if self._asks == "basic":
            return login.basic
        return login.direct if self._asks else ""

    def answer(
        self,
        challenges: Sequence[Challenge],
        scopes: Sequence[Scope],
        login: Login,
        ask: Ask,
        *,
        refused: str,
    ) -> str:
        """The header to try after a 401 to a request that carried ``refused``.

        Raises LoginRefused when there is nothing else to try, CredentialError when
        the token server makes no sense or must not be trusted.
        """
        self.jar(scopes).drop(refused)
        self._recall(scopes)
        bearer = next((challenge for challenge in challenges if challenge.scheme == "bearer"), None)
        realm = bearer.parameters.get("realm") if bearer else ""
        direct = login.direct
        fits = (bearer or not challenges) and (login.registry_token or not realm)
        if fits and direct not in {"", refused}:
            self._asks = "bearer"
            return direct
        if bearer and realm:
            return self._bearer(bearer, scopes, login, ask, refused)
        if any(challenge.scheme == "basic" for challenge in challenges):
            return self._basic(login, scopes, refused)
        why = _no_way(challenges, direct)
        if direct:
            self._remember(frozenset(scopes) if self._worked else None, why)
        raise LoginRefused(why)

    def rounds(self, scopes: Sequence[Scope]) -> int:
        """How many 401 to answer: a token that worked before may end early, twice."""
        return 2 if frozenset(scopes) in self._worked else 1

    def accepted(self, scopes: Sequence[Scope]) -> None:
        """The host took the header, so a later refusal is not about the login."""
        if len(self._worked) < _MOST_REMEMBERED:
            self._worked.add(frozenset(scopes))

    def rejected(self, scopes: Sequence[Scope], header: str, why: str) -> None:
        """The host answered 401 even to a fresh header: don't try again for a while."""
        self.jar(scopes).drop(header)
        key = frozenset(scopes)
        if key not in self._worked:
            self._remember(key, why)

    def pardon(self) -> None:
        """Forget refusals, since the login is another one now."""
        with self._lock:
            self._refused.clear()

    def _bearer(
        self, challenge: Challenge, scopes: Sequence[Scope], login: Login, ask: Ask, refused: str
    ) -> str:
        realm = Realm.of(challenge, secure=self._secure)
        named = parse_scopes(challenge.parameters.get("scope", ""))
        self._learn(scopes, named)
        wanted = united((*(self._needed(scopes) or scopes), *named))
        token = self.jar(scopes).find(wanted, self._clock())
        self._asks = realm
        if token:
            return token.header
        try:
            return self._fetch(realm, scopes, wanted, login, ask, named)
        except LoginRefused:
            direct = login.direct
            if not direct or direct == refused:
                raise
        self.pardon()
        self._asks = "bearer"
        return direct

    def _basic(self, login: Login, scopes: Sequence[Scope], refused: str) -> str:
        header = login.basic
        if not header:
            raise LoginRefused("the registry asks for a user and password, and none are set")
        if header == refused:
            why = "the user or password was refused"
            self._remember(frozenset(scopes) if self._worked else None, why)
            raise LoginRefused(why)
        self._asks = "basic"
        return header

    def _needed(self, scopes: Sequence[Scope]) -> Sequence[Scope] | None:
        """The scopes with what this host wants to see for a delete; None: not known yet.

        Token servers differ in the action (``delete``, ``*``, Quay ``push``), and some
        answer 400 to one they don't know, so the registry's challenge is asked first.
        """
        if not any(_DELETE in scope.actions for scope in scopes):
            return scopes
        if not self._to_delete:
            return None
        return [
            replace(scope, actions=("pull", *self._to_delete))
            if _DELETE in scope.actions
            else scope
            for scope in scopes
        ]

    def _learn(self, scopes: Sequence[Scope], named: Sequence[Scope]) -> None:
        """Note what a challenge names for a delete."""
        deleted = {scope.name for scope in scopes if _DELETE in scope.actions}
        if deleted:
            actions = [
                action for scope in named if scope.name in deleted for action in scope.actions
            ]
            self._to_delete = tuple(action for action in actions if action != "pull") or (_DELETE,)

    def _fetch(
        self,
        realm: Realm,
        scopes: Sequence[Scope],
        needed: Sequence[Scope],
        login: Login,
        ask: Ask,
        named: tuple[Scope, ...] = (),
    ) -> str:
        """A token that allows the ``needed``; ``named`` are the scopes of the challenge.

        Some token servers refuse long lists of scopes, and some answer 400 to more than
        the challenge names: each is asked once more with less.
        """
        jar = self.jar(scopes)
        now, wall = self._clock(), self._wall()
        minimum = united(needed)
        merged = united((*needed, *jar.scopes))[: max(MOST_SCOPES, len(needed))]
        refused: LoginRefused | None = None
        for wanted in dict.fromkeys((merged, minimum, named or minimum)):
            if refused and wanted not in (minimum, merged) and refused.status != _BAD_REQUEST:
                break
            try:
                token = fetch_token(realm, wanted, login, ask, now=now, wall=wall)
            except LoginRefused as error:
                refused = error
                continue
            jar.scopes = token.scopes
            jar.add(replace(token, scopes=united((*wanted, *minimum))), now)
            return token.header
        assert refused  # noqa: S101 - at least one list of scopes was asked for
        if named or refused.status != _BAD_REQUEST:
            hopeless = refused.status == _UNAUTHORIZED and login and not self._worked
            self._remember(None if hopeless else frozenset(scopes), str(refused))
        raise refused

    def _remember(self, key: frozenset[Scope] | None, why: str) -> None:
        with self._lock:
            if len(self._refused) >= _MOST_REMEMBERED:
                self._refused.clear()
            self._refused[key] = (self._clock() + REFUSED_FOR, why)

    def _recall(self, scopes: Sequence[Scope]) -> None:
        with self._lock:
            now = self._clock()
            self._refused = {k: v for k, v in self._refused.items() if now < v[0]}
            refused = self._refused.get(None) or self._refused.get(frozenset(scopes))
        if refused:
            raise LoginRefused(f"{refused[1]} (not retried for a while)")


def _no_way(challenges: Sequence[Challenge], direct: str) -> str:
    if not challenges:
        return "401 without a challenge, so there is no way to log in"
    if direct:
        return "the token was refused"
    schemes = ", ".join(sorted({challenge.scheme for challenge in challenges}))
    return f"the registry asks for {schemes} authentication, which can't be answered"
