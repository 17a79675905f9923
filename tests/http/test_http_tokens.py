"""How long a token holds, and what it is good for; the flow is run without any server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import CredentialError
from regbot.http.exchange import Request, Scope
from regbot.http.hosts import Login, Secret
from regbot.http.tokens import Realm, Token, TokenAnswer, fetch_token, parse_scopes, united

REALM = Realm("https://auth.example/token?fixed=1", "service")
PULL = (Scope("repository", "app", ("pull",)),)
WALL = 1_700_000_000.0
TOKEN = TokenAnswer(200, b'{"token": "t"}')


class TokenServer:
    """Gives its answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: TokenAnswer) -> None:
        self._answers = iter(answers)
        self.asked: list[Request] = []

    def ask(self, request: Request) -> TokenAnswer:
        self.asked.append(request)
        return next(self._answers)


def fetched(answer: dict[str, Any], login: Login = Login()) -> Token:  # noqa: B008
    server = TokenServer(TokenAnswer(200, json.dumps(answer).encode()))
    return fetch_token(REALM, PULL, login, server.ask, now=1000.0, wall=WALL)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({}, 60),
        ({"expires_in": 1}, 60),
        ({"expires_in": 1000}, 1000),
        ({"expires_in": "1000"}, 1000),
        ({"expires_in": -5}, 60),
        ({"expires_in": None}, 60),
        ({"expires_in": [1]}, 60),
        ({"expires_in": 1000, "issued_at": "2023-11-14T22:08:20Z"}, 700),
        ({"expires_in": 1000, "issued_at": "2023-11-14T22:13:20.123456789Z"}, 1000),
        ({"expires_in": 1000, "issued_at": "2031-01-01T00:00:00Z"}, 1000),
        ({"expires_in": 1000, "issued_at": "2001-01-01T00:00:00Z"}, 1000),
        ({"expires_in": 1000, "issued_at": "yesterday"}, 1000),
    ],
)
def test_a_token_is_renewed_when_nine_tenths_of_its_life_are_over(
    answer: dict[str, Any], seconds: float
) -> None:
    """PITFALLS: a token lives at least 60 s; renew before it ends."""
    found = fetched({"token": "t", **answer})
    assert found.good_until == pytest.approx(1000 + 0.9 * seconds, abs=1)
    assert found.header == "Bearer t"


def test_token_beats_access_token_and_either_will_do() -> None:
    """PITFALLS: both ``token`` and ``access_token``."""
    assert fetched({"token": "a", "access_token": "b"}).header == "Bearer a"
    assert fetched({"token": "", "access_token": "b"}).header == "Bearer b"


def test_what_the_realm_says_itself_stays_in_its_query() -> None:
    server = TokenServer(TOKEN)
    fetch_token(REALM, PULL, Login("joe"), server.ask, now=0, wall=0)
    assert server.asked[0].url == (
        "https://auth.example/token?fixed=1&service=service&scope=repository%3Aapp%3Apull"
        "&account=joe&client_id=regbot"
    )


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_an_identity_token_goes_by_get_where_post_is_unknown(status: int) -> None:
    """PITFALLS: identity tokens are exchanged by POST, else by GET."""
    server = TokenServer(TokenAnswer(status, b""), TOKEN)
    fetch_token(REALM, PULL, Login(identity_token=Secret("idt")), server.ask, now=0, wall=0)
    post, get = server.asked
    assert post.method == "POST"
    assert (get.method, get.authorization) == ("GET", "Basic PHRva2VuPjppZHQ=")


def test_nothing_shown_of_a_request_or_token_is_secret() -> None:
    """Law: a secret appears in no repr."""
    login = Login("joe", Secret("geheim"), Secret("idt-geheim"))
    answer = TokenAnswer(404, b"geheim")
    server = TokenServer(answer, TOKEN)
    fetch_token(REALM, PULL, login, server.ask, now=0, wall=0)
    assert "geheim" not in f"{server.asked} {answer} {login}"
    assert "geheim" not in repr(fetched({"token": "geheim"}))


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.floats() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(
        st.sampled_from(["token", "access_token", "expires_in", "issued_at"]), x)
).map(lambda x: json.dumps(x).encode()))  # fmt: skip
def test_any_answer_is_a_token_or_one_clear_error(body: bytes) -> None:
    """A token server that answers with odd JSON is one clear error."""
    server = TokenServer(TokenAnswer(200, body))
    try:
        token = fetch_token(REALM, PULL, Login(), server.ask, now=0.0, wall=WALL)
    except CredentialError as error:
        assert "answered without a token" in str(error)  # noqa: PT017
    else:
        assert token.header.isprintable()
        assert token.good_until >= 54


NAMES = st.from_regex(r"[a-z]{1,5}(/[a-z]{1,3})?(:[0-9]{1,2})?", fullmatch=True)
ACTIONS = st.lists(st.sampled_from(["pull", "push", "delete", "*"]), min_size=1, unique=True)


@given(st.lists(st.builds(Scope, st.just("repository"), NAMES, ACTIONS.map(tuple))))
def test_scopes_that_are_written_read_back_the_same(scopes: list[Scope]) -> None:
    assert parse_scopes(" ".join(map(str, scopes))) == tuple(scopes)


@given(st.text(max_size=80))
def test_rubbish_in_scopes_does_not_crash(text: str) -> None:
    assert all(x.kind and x.name for x in parse_scopes(text))


def test_scopes_of_the_same_repository_are_put_together() -> None:
    both = united(
        (*PULL, Scope("repository", "b", ("pull",)), *parse_scopes("repository:app:push"))
    )
    assert [str(x) for x in both] == ["repository:app:pull,push", "repository:b:pull"]


@pytest.mark.parametrize(
    ("held", "wanted", "enough"),
    [
        ("repository:app:pull,push", "repository:app:pull", True),
        ("repository:app:pull", "repository:app:pull,push", False),
        ("repository:app:*", "repository:app:delete", True),
        ("repository:app:pull", "repository:ap:pull", False),
        ("registry:app:pull", "repository:app:pull", False),
        ("repository:app:pull", "", True),
    ],
)
def test_what_a_token_covers(held: str, wanted: str, enough: bool) -> None:
    assert Token("Bearer t", parse_scopes(held), 0.0).covers(parse_scopes(wanted)) is enough
