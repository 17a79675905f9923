"""Link and WWW-Authenticate headers, in every form that registries write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.http.challenges import Challenge, parse_challenges
from regbot.http.links import Link, next_link, parse_links

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)


def quoted(value: str) -> str:
    """A value as a quoted-string (RFC 9110, section 5.6.4)."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def written_link(link: Link) -> str:
    parameters = (f"; {name}={quoted(value)}" for name, value in link.parameters.items())
    return f"<{link.target}>{''.join(parameters)}"


def written_challenge(challenge: Challenge) -> str:
    parameters = (f"{name}={quoted(value)}" for name, value in challenge.parameters.items())
    return f"{challenge.scheme} {', '.join(parameters)}".rstrip(" ")


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('</v2/app/tags/list?last=b&n=2>; rel="next"', "/v2/app/tags/list?last=b&n=2"),
        ("</v2/app/tags/list?n=2>; rel=next", "/v2/app/tags/list?n=2"),
        ("<https://h.example/v2/_catalog?n=1>;rel=next", "https://h.example/v2/_catalog?n=1"),
        ('<list?last=x,y;z>; title="a, b; c"; rel="next"', "list?last=x,y;z"),
        ('</first>; rel="first", </second>; rel="next"', "/second"),
        ('</a>; rel="prev next"', "/a"),
        ('</a>; REL="NEXT"', "/a"),
        ('</a> ; rel = "next" ; x', "/a"),
        ('</a>; x="\\"; rel=next"; rel="prev", </b>; rel=next', "/b"),
        ('</a>; rel="prev"; rel="next"', None),
        ("</a>", None),
        ("", None),
        ("rel=next", None),
        ("</a; rel=next", None),
    ],
)
def test_the_next_page_is_the_link_with_that_relation(header: str, target: str | None) -> None:
    """PITFALLS: ``Link`` as given: relative or absolute, other parameter names, quoted or not."""
    assert next_link(header) == target


@given(
    st.lists(
        st.builds(
            Link,
            st.from_regex(r"[!-;=?-~]{0,30}", fullmatch=True),
            st.dictionaries(NAMES, VALUES, max_size=3),
        ),
        max_size=4,
    )
)
def test_links_that_are_written_read_back_the_same(links: list[Link]) -> None:
    """Link headers (RFC 8288): parse and print agree."""
    assert list(parse_links(", ".join(map(written_link, links)))) == links


@given(st.text(max_size=200) | st.text('<>;,="\\ relnxt', max_size=80))
def test_rubbish_is_no_link_and_no_crash(text: str) -> None:
    """Link headers: no crash on rubbish."""
    assert all(isinstance(link, Link) for link in parse_links(text))


def test_a_bearer_challenge_gives_its_parameters() -> None:
    header = (
        'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push"'
    )
    assert parse_challenges(header) == (
        Challenge(
            "bearer",
            {
                "realm": "https://auth.example/token",
                "service": "reg",
                "scope": "repository:a/b:pull,push",
            },
        ),
    )


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        ('Basic realm="a, b", Bearer realm="c"', ["basic", "bearer"]),
        ('Negotiate, BASIC realm="x"', ["negotiate", "basic"]),
        ("Basic", ["basic"]),
        ('Bearer realm="x" service="y"', ["bearer"]),
        ("Bearer realm=https://a.example/t,service=s", ["bearer"]),
        (' , Basic realm="a\\"b" , ', ["basic"]),
        ("", []),
    ],
)
def test_several_challenges_in_one_header(header: str, schemes: list[str]) -> None:
    """Several challenges in one header (RFC 9110, section 11.6.1)."""
    assert [x.scheme for x in parse_challenges(header)] == schemes


def test_quotes_and_commas_inside_quoted_values_stay() -> None:
    (challenge,) = parse_challenges('Basic realm="say \\"hi\\", \\\\ friend", charset=UTF-8')
    assert challenge.parameters == {"realm": 'say "hi", \\ friend', "charset": "UTF-8"}


@given(
    st.lists(st.builds(Challenge, NAMES, st.dictionaries(NAMES, VALUES, max_size=4)), max_size=4)
)
def test_challenges_that_are_written_read_back_the_same(challenges: list[Challenge]) -> None:
    """Challenges: parse and print agree."""
    assert parse_challenges(", ".join(map(written_challenge, challenges))) == tuple(challenges)


@given(st.text(max_size=200) | st.text('Bearer ,="\\x', max_size=80))
def test_rubbish_challenges_do_not_crash(text: str) -> None:
    """Challenges: no crash on rubbish."""
    assert all(x.scheme == x.scheme.lower() for x in parse_challenges(text))
