"""HTTP_PROXY, HTTPS_PROXY and NO_PROXY, line by line as the user's FAQ says them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.http.proxies import Bypass, Proxies

PROXY = "http://joe:secret@proxy.example.org:9999"


def chosen(url: str, **environ: str) -> str:
    usual = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY}
    return Proxies.from_environment({**usual, **environ}).choose(url).reveal()


def direct(url: str, no_proxy: str) -> bool:
    return chosen(url, NO_PROXY=no_proxy) == ""


def test_each_scheme_has_its_own_proxy() -> None:
    """FAQ: ``HTTP_PROXY``: to send http requests; ``HTTPS_PROXY``: to send https requests."""
    environ = {"HTTP_PROXY": "http://plain.example", "HTTPS_PROXY": "http://tls.example"}
    assert chosen("http://r.example/v2/", **environ) == "http://plain.example"
    assert chosen("https://r.example/v2/", **environ) == "http://tls.example"
    assert Proxies.from_environment({}).choose("https://r.example").reveal() == ""


def test_upper_case_beats_lower_case_and_an_empty_one_does_not_count() -> None:
    """FAQ: each of which can also be all lower case."""
    proxies = Proxies.from_environment(
        {"HTTPS_PROXY": "http://upper.example", "https_proxy": "http://lower.example"}
    )
    assert proxies.choose("https://r.example").reveal() == "http://upper.example"
    proxies = Proxies.from_environment({"HTTPS_PROXY": "", "https_proxy": "http://lower.example"})
    assert proxies.choose("https://r.example").reveal() == "http://lower.example"


def test_a_proxy_without_scheme_is_taken_for_http() -> None:
    """FAQ: Go's httpproxy takes ``host:port`` for http."""
    assert chosen("https://r.example", HTTPS_PROXY="proxy:3128") == "http://proxy:3128"


@pytest.mark.parametrize("bad", ["socks5://p:1", "http:///", "http://p:99999", "http://[x"])
def test_a_proxy_that_can_not_work_is_named_by_its_variable_only(bad: str) -> None:
    with pytest.raises(InvalidValue, match=r"^HTTPS_PROXY is not the URL of a proxy") as caught:
        chosen("https://r.example", HTTPS_PROXY=bad)
    assert bad not in str(caught.value)


def test_http_proxy_is_not_believed_in_a_cgi_request() -> None:
    """FAQ: Go's httpproxy does not believe HTTP_PROXY in a CGI request."""
    assert chosen("http://r.example", REQUEST_METHOD="GET") == ""
    assert chosen("https://r.example", REQUEST_METHOD="GET") == PROXY


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:5000",
        "http://LOCALHOST",
        "https://127.0.0.1",
        "https://127.8.9.1:5000",
        "https://[::1]:5000",
        "https://[::ffff:127.0.0.1]",
    ],
)
def test_loopback_is_never_proxied(url: str) -> None:
    """FAQ: Go's httpproxy never proxies loopback."""
    assert chosen(url) == ""


@pytest.mark.parametrize(
    ("no_proxy", "url", "passed_by"),
    [
        ("foo.com", "https://foo.com", True),
        ("foo.com", "https://bar.foo.com", True),
        ("foo.com", "https://xfoo.com", False),
        (".y.com", "https://x.y.com", True),
        (".y.com", "https://y.com", False),
        ("*.y.com", "https://x.y.com", True),
        ("*.y.com", "https://y.com", False),
        ("FOO.com", "https://Bar.foo.COM", True),
        ("1.2.3.4", "https://1.2.3.4", True),
        ("1.2.3.4", "https://1.2.3.5", False),
        ("1.2.3.4/8", "https://1.200.3.4", True),
        ("10.10.0.0/16", "https://10.10.255.1:5000", True),
        ("10.10.0.0/16", "https://10.11.0.1", False),
        ("10.10.0.0/16", "https://registry.example", False),
        ("2001:db8::/32", "https://[2001:db8:1::5]", True),
        ("2001:db8::/32", "https://[2001:db9::5]", False),
        ("2001:db8::1", "https://[2001:db8::1]:5000", True),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000", True),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]", False),
        ("1.2.3.4:80", "http://1.2.3.4", True),
        ("1.2.3.4:80", "https://1.2.3.4", False),
        ("foo.com:5000", "https://foo.com:5000", True),
        ("foo.com:5000", "https://foo.com", False),
        ("foo.com:443", "https://foo.com", True),
        ("*", "https://anything.example", True),
        ("a.example, *", "https://anything.example", True),
        (" a.example , foo.com ", "https://foo.com", True),
        ("foo.com:x,:80,,/,1.2.3.4/99,[", "https://foo.com", False),
        ("", "https://foo.com", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, passed_by: bool) -> None:
    """FAQ: NO_PROXY: IP addresses, CIDR ranges, domains with and without a dot, ports, ``*``."""
    assert direct(url, no_proxy) is passed_by


ADDRESSES = st.ip_addresses()
ENTRIES = st.one_of(
    ADDRESSES.map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda x: f"{x[0]}/{x[1]}"),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(lambda x: f"{x[0]}/{x[1]}"),
    st.from_regex(r"(\*?\.)?[a-z]{1,5}(\.[a-z]{1,3}){0,2}(:[0-9]{1,5})?", fullmatch=True),
    st.tuples(st.ip_addresses(v=6), st.integers(1, 65535)).map(lambda x: f"[{x[0]}]:{x[1]}"),
)


@given(ENTRIES)
def test_an_entry_that_is_written_reads_back_the_same(text: str) -> None:
    """NO_PROXY: parse and print agree."""
    entry = Bypass.parse(text)
    assert entry is not None
    assert Bypass.parse(str(entry)) == entry


@given(st.text(max_size=60) | st.text("1.:/*[]a,", max_size=30))
def test_rubbish_in_no_proxy_is_ignored(text: str) -> None:
    """FAQ: a best effort is made to parse the string and errors are ignored."""
    assert chosen("https://registry.example.net", NO_PROXY=text.replace("*", "x")) in ("", PROXY)


@given(st.text(max_size=60))
def test_rubbish_in_https_proxy_is_one_clear_error_or_a_proxy(text: str) -> None:
    with suppress(InvalidValue):
        assert "\0" not in chosen("https://registry.example.net", HTTPS_PROXY=text)
