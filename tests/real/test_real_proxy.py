"""A real forward proxy (tinyproxy) in front of real registries: used, or passed by.

The registries are asked by an address that is not loopback by its name, since
loopback is never proxied; all of it stays on this machine.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.between import ELSEWHERE, ForwardProxy, tinyproxy
from support.bots import LIFE, failure, leaks, lived, run_bot
from support.certificates import Authority
from support.httpclient import NOWHERE, plain, web
from support.servers import RealRegistry, docker_registry, free_port

USER, PASSWORD = "joe", "s3same_4711"
LIST = 'tag.ls(args.host .. "/team/app")'
CATALOG = "/v2/_catalog"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def secure(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    certificate, key = authority.sign("registry", f"IP:127.0.0.1,IP:{ELSEWHERE}")
    tls = {"certificate": str(certificate), "key": str(key)}
    folder = tmp_path_factory.mktemp("secure")
    trusting = ssl.create_default_context(cadata=authority.certificate)
    with docker_registry(folder, more={"http": {"tls": tls}}, tls=trusting) as registry:
        yield registry


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[ForwardProxy]:
    with tinyproxy(tmp_path / "proxy") as proxy:
        yield proxy


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[ForwardProxy]:
    """One that wants a user and password."""
    with tinyproxy(tmp_path / "strict", login=f"{USER} {PASSWORD}") as proxy:
        yield proxy


def port(registry: RealRegistry) -> str:
    return registry.host.partition(":")[2]


def outside(registry: RealRegistry) -> str:
    """The registry under an address that may be proxied."""
    return f"{ELSEWHERE}:{port(registry)}"


def test_a_plain_registry_is_asked_through_http_proxy(
    registry: RealRegistry, proxy: ForwardProxy, tmp_path: Path
) -> None:
    """FAQ: ``HTTP_PROXY``: URL to send http requests."""
    host = outside(registry)
    variables = {"HTTP_PROXY": f"http://{proxy.host}/", "HTTPS_PROXY": "http://127.0.0.1:1"}
    lived(run_bot(tmp_path, LIFE, host, creds={"tls": "disabled"}, variables=variables))
    assert proxy.requests
    assert all(f" http://{host}/v2/" in request for request in proxy.requests)
    methods = {request.partition(" ")[0] for request in proxy.requests}
    assert {"GET", "HEAD", "POST", "PUT", "DELETE"} <= methods


def test_a_tls_registry_is_asked_through_https_proxy(
    secure: RealRegistry, authority: Authority, proxy: ForwardProxy, tmp_path: Path
) -> None:
    """FAQ: ``HTTPS_PROXY``: URL to send https requests, including the http scheme."""
    host = outside(secure)
    variables = {"https_proxy": f"http://{proxy.host}", "HTTP_PROXY": "http://127.0.0.1:1"}
    creds = {"regcert": authority.certificate}
    lived(run_bot(tmp_path, LIFE, host, creds=creds, variables=variables))
    assert set(proxy.requests) == {f"CONNECT {host}"}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_user_and_password_of_a_proxy(
    registry: RealRegistry,
    secure: RealRegistry,
    authority: Authority,
    strict: ForwardProxy,
    tmp_path: Path,
    scheme: str,
) -> None:
    """FAQ: when using credentials, the URL takes the form http://user:pass@proxy."""
    host = outside(secure if scheme == "https" else registry)
    creds = {"regcert": authority.certificate} if scheme == "https" else {"tls": "disabled"}
    # An escaped letter of the password: what is in a URL may be.
    url = f"http://{USER}:{PASSWORD.replace('_', '%5F')}@{strict.host}"
    variables = {"HTTP_PROXY": url, "HTTPS_PROXY": url}
    done = run_bot(tmp_path, LIFE, host, creds=creds, variables=variables)
    lived(done)
    assert strict.requests
    assert not leaks(done, USER, PASSWORD, PASSWORD.replace("_", "%5F"))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("login", "status"),
    [(f"{USER}:wrong-horse@", "401 unauthorized"), ("", "407 proxy authentication required")],
    ids=["wrong", "none"],
)
def test_a_proxy_that_refuses_is_one_clear_error(
    registry: RealRegistry,
    secure: RealRegistry,
    strict: ForwardProxy,
    tmp_path: Path,
    scheme: str,
    login: str,
    status: str,
) -> None:
    """What a proxy refuses is asked once and said without the password.

    PITFALLS: stop at once when credentials are refused. tinyproxy says 401 to wrong ones.
    """
    host = outside(secure if scheme == "https" else registry)
    creds = {"tls": "insecure" if scheme == "https" else "disabled"}
    url = f"http://{login}{strict.host}"
    variables = {"HTTP_PROXY": url, "HTTPS_PROXY": url}
    done = run_bot(tmp_path, LIST, host, creds=creds, variables=variables)
    assert status in failure(done).lower()
    assert len(strict.requests) == 1
    assert not leaks(done, USER, "wrong-horse")


def test_a_proxy_that_is_gone_is_one_clear_error(registry: RealRegistry, tmp_path: Path) -> None:
    """The connection to the proxy, and not the one to the registry, is what failed."""
    variables = {"HTTP_PROXY": f"http://{USER}:{PASSWORD}@127.0.0.1:{free_port()}"}
    creds = {"tls": "disabled"}
    done = run_bot(tmp_path, LIST, outside(registry), creds=creds, variables=variables)
    assert "the proxy failed: connection refused" in failure(done)
    assert not leaks(done, USER, PASSWORD)


def ask(host: str, proxy: ForwardProxy, **variables: str) -> bytes:
    """Ask a plain registry for its repositories, through the proxy unless told otherwise."""
    url = f"http://{proxy.host}"
    environ = {"HOME": str(NOWHERE), "HTTP_PROXY": url, "HTTPS_PROXY": url, **variables}
    with web(plain(host), environ=environ) as own:
        return own.get(host, CATALOG)


@pytest.mark.parametrize(
    "no_proxy",
    [
        "{ip}",
        "10.0.0.0/8,{ip}/8",
        "{ip}:{port}",
        "other.test , {ip}",
        "*",
    ],
)
def test_no_proxy_passes_by(registry: RealRegistry, proxy: ForwardProxy, no_proxy: str) -> None:
    """FAQ: ``NO_PROXY``: an IP address, a CIDR range, a literal port number, or ``*``."""
    text = no_proxy.format(ip=ELSEWHERE, port=port(registry))
    assert b"repositories" in ask(outside(registry), proxy, NO_PROXY=text)
    assert proxy.requests == []


@pytest.mark.parametrize("no_proxy", ["10.0.0.0/8", "{ip}:1", "{ip}/bits", "127.0.0.1", "test"])
def test_no_proxy_for_others(registry: RealRegistry, proxy: ForwardProxy, no_proxy: str) -> None:
    """FAQ: only those hosts pass by; errors in the list are ignored."""
    text = no_proxy.format(ip=ELSEWHERE)
    assert b"repositories" in ask(outside(registry), proxy, NO_PROXY=text)
    assert proxy.requests == [f"GET http://{outside(registry)}{CATALOG}"]


def test_no_proxy_through_the_command(
    registry: RealRegistry, proxy: ForwardProxy, tmp_path: Path
) -> None:
    """FAQ: each variable can also be all lower case."""
    variables = {"http_proxy": f"http://{proxy.host}", "no_proxy": ELSEWHERE}
    creds = {"tls": "disabled"}
    lived(run_bot(tmp_path, LIFE, outside(registry), creds=creds, variables=variables))
    assert proxy.requests == []


def test_loopback_is_never_proxied(
    registry: RealRegistry, proxy: ForwardProxy, tmp_path: Path
) -> None:
    """Loopback is never proxied, whatever the variables say."""
    variables = {"HTTP_PROXY": f"http://{proxy.host}", "HTTPS_PROXY": f"http://{proxy.host}"}
    creds = {"tls": "disabled"}
    lived(run_bot(tmp_path, LIFE, registry.host, creds=creds, variables=variables))
    localhost = f"localhost:{port(registry)}"
    done = run_bot(tmp_path, LIST, localhost, creds=creds, variables=variables)
    assert done.returncode == 0
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("no_proxy", "host", "passes"),
    [
        ("foo.test", "foo.test", True),
        ("foo.test", "bar.foo.test", True),
        ("foo.test", "xfoo.test", False),
        (".y.test", "x.y.test", True),
        (".y.test", "y.test", False),
        ("foo.test:{port}", "foo.test", True),
        ("foo.test:1", "foo.test", False),
    ],
)
def test_domains_in_no_proxy(
    registry: RealRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_proxy: str,
    host: str,
    passes: bool,
) -> None:
    """FAQ: a domain name matches that name and all subdomains, with a leading dot these only.

    Here the test resolves the names; the proxy is told where they are.
    """
    known = socket.getaddrinfo

    def resolve(name: Any, *more: Any, **options: Any) -> Any:
        return known("127.0.0.1" if name == host else name, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    upstream = f'Upstream http {registry.host} "{host}"'
    with tinyproxy(tmp_path / "proxy", more=upstream) as proxy:
        name = f"{host}:{port(registry)}"
        answer = ask(name, proxy, NO_PROXY=no_proxy.format(port=port(registry)))
        assert b"repositories" in answer
        assert proxy.requests == ([] if passes else [f"GET http://{name}{CATALOG}"])
