"""How the registry asks who is there: basic, or bearer with a token server."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from support.registry.calls import Call, Reply, error, json_reply
from support.registry.quirks import Quirks


@dataclass(slots=True)
class Token:
    """What was handed out; ``ends`` is monotonic seconds."""

    user: str
    scopes: frozenset[str]
    ends: float
    uses: int = 0


@dataclass(slots=True)
class Door:
    """Lets a request in or answers 401. ``url`` is the token server's address."""

    quirks: Quirks
    url: Callable[[], str]
    tokens: dict[str, Token] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    clock: Callable[[], float] = time.monotonic

    def refuse(self, call: Call, repository: str, action: str) -> Reply | None:
        """None for who may come in; ``action`` is pull, push, delete or *."""
        quirks = self.quirks
        action = quirks.delete_action if action == "delete" else action
        if not quirks.auth or (call.path == "/v2/" and not quirks.challenge_on_ping):
            return None
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if quirks.auth == "basic":
            if scheme.lower() == "basic" and self.user_of(value):
                return None
            return error(401, "UNAUTHORIZED", headers={"WWW-Authenticate": self.challenge()})
        with self.lock:
            token = self.tokens.get(value) if scheme.lower() == "bearer" else None
            if token is not None:
                token.uses += 1
            if token is not None and self._good(token, repository, action):
                return None
        return self._challenge(repository, action, token)

    def _good(self, token: Token, repository: str, action: str) -> bool:
        worn = self.quirks.short_token_uses and token.uses > self.quirks.short_token_uses
        if worn or self.clock() > token.ends:
            return False
        return not repository or f"{repository}:{action}" in token.scopes

    def _challenge(self, repository: str, action: str, token: Token | None) -> Reply:
        text = self.challenge()
        if repository and self.quirks.scope_in_challenge:
            kind = "registry" if repository == "catalog" else "repository"
            text += f',scope="{kind}:{repository}:{action}"'
        if token is not None:
            text += ',error="insufficient_scope"'
        if self.quirks.two_challenges:
            text = f'Basic realm="test", {text}'
        return error(401, "UNAUTHORIZED", headers={"WWW-Authenticate": text})

    def challenge(self) -> str:
        """What asks for a login, without a scope; empty where nothing does."""
        if self.quirks.auth == "basic":
            return 'Basic realm="test"'
        if not self.quirks.auth:
            return ""
        service = self.quirks.service.format(url=self.url())
        return f'Bearer realm="{self.realm()}",service="{service}"'

    def realm(self) -> str:
        """The URL that tokens come from."""
        return self.quirks.realm.format(url=self.url())

    def serves(self, path: str) -> bool:
        """Whether a path is the token server's."""
        own = self.quirks.realm.removeprefix("{url}")
        return path in (own, f"{own.rstrip('/')}/real")

    def user_of(self, encoded: str) -> str:
        """The user of basic credentials, or empty when they are wrong."""
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            return ""
        return user if self.quirks.users.get(user) == password else ""

    def token(self, call: Call) -> Reply:
        """The token server's answer (distribution's token and OAuth2 specs)."""
        if self.quirks.token_redirect and not call.path.endswith("/real"):
            query = call.target.partition("?")[2]
            return Reply(307, {"Location": f"{call.path.rstrip('/')}/real?{query}"})
        if call.method == "POST":
            return self._oauth(call) if self.quirks.token_post else error(404, "NOT_FOUND")
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        user = self.user_of(value) if scheme.lower() == "basic" else ""
        if scheme and not user:
            return error(401, "UNAUTHORIZED", "wrong user or password")
        scopes = [value for key, value in call.pairs if key == "scope"]
        return self._hand_out(user, scopes)

    def _oauth(self, call: Call) -> Reply:
        form = dict(parse_qsl(call.body.decode()))
        user = ""
        if form.get("grant_type") == "refresh_token":
            user = self.quirks.identity_tokens.get(form.get("refresh_token", ""), "")
        elif form.get("grant_type") == "password":
            name = form.get("username", "")
            user = name if self.quirks.users.get(name) == form.get("password") else ""
        if not user:
            return error(401, "UNAUTHORIZED", "wrong refresh token")
        return self._hand_out(user, form.get("scope", "").split())

    def _hand_out(self, user: str, scopes: list[str]) -> Reply:
        limit = self.quirks.scope_limit
        wanted = [scope for text in scopes for scope in text.split()]
        if limit and len(wanted) > limit:
            return error(400, "HEADERS_TOO_LARGE", "too many scopes")
        known = self.quirks.token_actions
        actions = {action for scope in wanted for action in scope.rpartition(":")[2].split(",")}
        if known and not actions.issubset(known):
            return error(400, "INVALID_REQUEST", "Unable to decode repository and actions")
        granted = frozenset(
            f"{name}:{action}"
            for name, actions in (scope.split(":", 1)[1].rsplit(":", 1) for scope in wanted)
            for action in actions.split(",")
            if user or (self.quirks.anonymous_pull and action == "pull")
        )
        if not user and not self.quirks.anonymous_pull:
            return error(401, "UNAUTHORIZED", "log in first")
        value = secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[value] = Token(user, granted, self.clock() + self.quirks.token_seconds)
        return json_reply(
            200, {self.quirks.token_field: value, "expires_in": self.quirks.token_seconds}
        )
