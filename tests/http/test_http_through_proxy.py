"""Requests through a forward proxy on loopback, which stands for names it does not resolve."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.certificates import Authority
from support.httpclient import NOWHERE, plain, web
from support.scripted import Asked, Said, scripted
from support.servers import free_port

from regbot.errors import ConnectionFailed
from regbot.http.hosts import HostSettings


def hello(_: Asked) -> Said:
    return Said(200, body=b"hello")


def environ(**proxies: str) -> dict[str, str]:
    return {"HOME": str(NOWHERE), **proxies}


def test_a_plain_registry_is_asked_through_http_proxy_with_user_and_password() -> None:
    """FAQ: when using credentials, the URL takes the form http://user:pass@proxy."""
    with scripted(hello) as proxy:
        own_environ = environ(HTTP_PROXY=f"http://joe:p%40ss@{proxy.host}")
        with web(plain("registry.example"), environ=own_environ) as own:
            assert own.get("registry.example", "/v2/?n=1") == b"hello"
            assert proxy.lines == ["GET http://registry.example/v2/?n=1"]
            sent = proxy.asked[0].headers["proxy-authorization"].split()[1]
            assert base64.b64decode(sent) == b"joe:p@ss"


def test_a_proxy_that_passes_requests_on_gets_each_over_a_connection_of_its_own() -> None:
    """tinyproxy closes one after each answer and doesn't say so: the next request would fail."""
    with scripted(hello) as proxy:
        own_environ = environ(HTTP_PROXY=f"http://{proxy.host}")
        with web(plain("registry.example"), environ=own_environ) as own:
            for _ in range(3):
                assert own.get("registry.example", "/v2/") == b"hello"
        assert proxy.connections == 3


def test_no_proxy_passes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAQ: NO_PROXY: hosts that should be excluded from proxying."""
    asked: list[object] = []

    def resolve(host: object, *rest: object, **more: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with scripted(hello) as proxy:
        own_environ = environ(HTTP_PROXY=f"http://{proxy.host}", NO_PROXY="example")
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with (
            web(plain("registry.example"), environ=own_environ) as own,
            pytest.raises(ConnectionFailed),
        ):
            own.get("registry.example", "/v2/")
        assert asked == ["registry.example"]
        assert proxy.asked == []


def test_loopback_passes_by() -> None:
    """Loopback is never proxied."""
    with scripted(hello) as proxy, scripted(hello) as registry:
        own_environ = environ(HTTP_PROXY=f"http://{proxy.host}")
        with web(plain(registry.host), environ=own_environ) as own:
            own.get(registry.host, "/v2/")
        assert (len(proxy.asked), len(registry.asked)) == (0, 1)


def test_the_environment_of_the_process_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(hello) as proxy, scripted(hello) as other:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        own_environ = environ(HTTP_PROXY=f"http://{other.host}")
        with web(plain("registry.example"), environ=own_environ) as own:
            own.get("registry.example", "/v2/")
        assert (len(proxy.asked), len(other.asked)) == (0, 1)


def test_netrc_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login joe password geheim\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with scripted(hello) as registry, web(plain(registry.host)) as own:
        own.get(registry.host, "/v2/")
        assert "authorization" not in registry.asked[0].headers


@contextmanager
def tunnel(to: str) -> Iterator[tuple[str, list[str]]]:
    """A proxy that answers CONNECT and leads every tunnel to one place."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            host, _, port = to.rpartition(":")
            with client, socket.create_connection((host, int(port))) as server:
                asked.append(client.recv(65536).decode())
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(server, client))
                back.start()
                pump(client, server)
                back.join()

        listener.settimeout(20)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        thread.join(30)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_an_https_registry_is_asked_through_a_tunnel(tmp_path: Path) -> None:
    """FAQ: ``HTTPS_PROXY`` is frequently the same, including the http scheme."""
    authority = Authority.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server", "DNS:registry.example"))
    with scripted(hello, context) as registry, tunnel(registry.host) as (proxy, asked):
        settings = HostSettings("registry.example", ca_certificate=authority.certificate)
        own_environ = environ(HTTPS_PROXY=f"http://joe:geheim@{proxy}")
        with web(settings, environ=own_environ) as own:
            assert own.get("registry.example", "/v2/") == b"hello"
        assert asked[0].startswith("CONNECT registry.example:443 HTTP/1.")
        assert "Proxy-Authorization: Basic " in asked[0]
        assert "authorization" not in registry.asked[0].headers
        assert "geheim" not in repr(own.events)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY"])
def test_a_proxy_that_is_not_there_is_said_without_its_password(variable: str) -> None:
    """Law: a secret appears in no error."""
    own_environ = environ(**{variable: f"http://joe:geheim@127.0.0.1:{free_port()}"})
    tls = "disabled" if variable == "HTTP_PROXY" else None
    with web(HostSettings("registry.example", tls=tls), environ=own_environ) as own:
        with pytest.raises(
            ConnectionFailed, match="the proxy failed: connection refused"
        ) as caught:
            own.get("registry.example", "/v2/")
        assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(("status", "times"), [(407, 1), (403, 1), (503, 5)])
def test_a_proxy_that_refuses_a_tunnel_is_said(status: int, times: int) -> None:
    """PITFALLS: stop at once when credentials are refused; try again what may change."""
    with scripted(lambda _: Said(status)) as proxy:
        own_environ = environ(HTTPS_PROXY=f"http://joe:geheim@{proxy.host}")
        with (
            web(HostSettings("registry.example"), environ=own_environ) as own,
            pytest.raises(ConnectionFailed, match=rf"the proxy failed: .*{status}"),
        ):
            own.get("registry.example", "/v2/")
        assert len(proxy.asked) == times


def test_a_proxy_variable_that_can_not_work_is_named() -> None:
    own_environ = environ(HTTPS_PROXY="socks5://joe:geheim@h:1")
    with web(HostSettings("registry.example"), environ=own_environ) as own:
        with pytest.raises(ConnectionFailed, match="HTTPS_PROXY is not the URL") as caught:
            own.get("registry.example", "/v2/")
        assert "geheim" not in str(caught.value)
