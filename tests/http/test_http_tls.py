"""TLS on real sockets: whom a registry's settings trust, and what errors advise."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority
from support.httpclient import plain, web
from support.registry import Quirks, TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import ConnectionFailed, CredentialError
from regbot.events import Exchanged
from regbot.http.hosts import HostSettings, Login, Secret


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> ssl.SSLContext:
    return authority.server()


@pytest.fixture(scope="module")
def strict(authority: Authority) -> ssl.SSLContext:
    return authority.server("strict", wants_client=True)


def hello(_: Asked) -> Said:
    return Said(200, body=b"hello")


def test_the_authority_of_regcert_is_trusted(authority: Authority, server: ssl.SSLContext) -> None:
    """Config: ``regcert``."""
    with (
        scripted(hello, server) as script,
        web(HostSettings(script.host, ca_certificate=authority.certificate)) as own,
    ):
        assert own.get(script.host, "/v2/") == b"hello"


def test_regcert_may_be_the_certificate_of_the_server_itself(
    authority: Authority, server: ssl.SSLContext
) -> None:
    pem = (authority.folder / "server.crt").read_text()
    with (
        scripted(hello, server) as script,
        web(HostSettings(script.host, ca_certificate=f"words\n{pem}")) as own,
    ):
        assert own.get(script.host, "/v2/") == b"hello"


def test_an_unknown_authority_is_refused_once_and_the_error_says_what_to_do(
    server: ssl.SSLContext,
) -> None:
    with scripted(hello, server) as script, web(HostSettings(script.host)) as own:
        with pytest.raises(ConnectionFailed, match="certificate is not trusted") as caught:
            own.get(script.host, "/v2/")
        assert "set regcert to its authority, or tls: insecure" in str(caught.value)
        assert len([x for x in own.events if isinstance(x, Exchanged)]) == 1


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("other", "DNS:other.example"))
    with (
        scripted(hello, context) as script,
        web(HostSettings(script.host, ca_certificate=authority.certificate)) as own,
        pytest.raises(ConnectionFailed, match="its certificate is for another name"),
    ):
        own.get(script.host, "/v2/")


def test_insecure_trusts_anybody(server: ssl.SSLContext) -> None:
    """Config: ``tls: insecure``."""
    with (
        scripted(hello, server) as script,
        web(HostSettings(script.host, tls="insecure")) as own,
    ):
        assert own.get(script.host, "/v2/") == b"hello"


def test_a_plain_port_is_told_by_name_with_the_way_out() -> None:
    """FAQ: server gave HTTP response to HTTPS client: ``tls: disabled``."""
    with scripted(hello) as script, web(HostSettings(script.host)) as own:
        with pytest.raises(ConnectionFailed) as caught:
            own.get(script.host, "/v2/")
        assert "server gave HTTP response to HTTPS client" in str(caught.value)
        assert f"set tls: disabled for {script.host}" in str(caught.value)
        assert script.asked == []
        assert len([x for x in own.events if isinstance(x, Exchanged)]) == 1


def test_plain_http_to_a_tls_port_is_one_clear_error(server: ssl.SSLContext) -> None:
    with scripted(hello, server) as script, web(plain(script.host)) as own:
        with pytest.raises(ConnectionFailed) as caught:
            own.get(script.host, "/v2/")
        assert "\n" not in str(caught.value)


def test_a_client_certificate_is_shown(authority: Authority, strict: ssl.SSLContext) -> None:
    """Config: ``clientCert`` and ``clientKey``."""
    certificate, key = (x.read_text() for x in authority.sign("client"))
    left = set(Path(tempfile.gettempdir()).iterdir())
    with scripted(hello, strict) as script:
        settings = HostSettings(
            script.host,
            ca_certificate=authority.certificate,
            client_certificate=certificate,
            client_key=Secret(key),
        )
        with web(settings) as own:
            assert own.get(script.host, "/v2/") == b"hello"
    new = set(Path(tempfile.gettempdir()).iterdir()) - left
    assert not [x for x in new if x.suffix == ".pem"]


def test_a_missing_client_certificate_is_said(authority: Authority) -> None:
    """In TLS 1.2, where the server's alert can't be lost behind a request sent too early."""
    older = authority.server("older", wants_client=True)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        scripted(hello, older) as script,
        web(HostSettings(script.host, ca_certificate=authority.certificate)) as own,
        pytest.raises(ConnectionFailed, match="set clientCert and clientKey"),
    ):
        own.get(script.host, "/v2/")


def test_docker_folders_of_certificates_count(
    authority: Authority, strict: ssl.SSLContext, tmp_path: Path
) -> None:
    """Config: /etc/docker/certs.d is read unless ``skipDockerConfig``."""
    certificate, key = authority.sign("client2")
    with scripted(hello, strict) as script:
        folder = tmp_path / script.host
        folder.mkdir()
        (folder / "ca.crt").write_text(authority.certificate)
        (folder / "client.cert").write_text(certificate.read_text())
        (folder / "client.key").write_text(key.read_text())
        (folder / "README").write_text("words")
        with web(HostSettings(script.host), certificates=tmp_path) as own:
            assert own.get(script.host, "/v2/") == b"hello"
        skip = {"use_docker_config": False}
        with (
            web(HostSettings(script.host), certificates=tmp_path, client=skip) as own,
            pytest.raises(ConnectionFailed, match="not trusted"),
        ):
            own.get(script.host, "/v2/")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"ca_certificate": "words"}, "regcert of r.example is not a certificate in PEM text"),
        ({"client_certificate": "words"}, "clientCert and clientKey of r.example can't be used"),
    ],
)
def test_what_is_no_certificate_is_named(settings: dict[str, Any], why: str) -> None:
    with (
        web(HostSettings("r.example", **settings)) as own,
        pytest.raises(CredentialError, match=why),
    ):
        own.get("r.example", "/v2/")


def test_a_key_of_another_certificate_is_named(authority: Authority) -> None:
    certificate, _ = authority.sign("one")
    _, key = authority.sign("two")
    settings = HostSettings(
        "r.example", client_certificate=certificate.read_text(), client_key=Secret(key.read_text())
    )
    with web(settings) as own, pytest.raises(CredentialError, match="not that of the certificate"):
        own.get("r.example", "/v2/")


def test_a_key_with_a_password_is_refused_without_asking_for_it(authority: Authority) -> None:
    certificate, _ = authority.sign("locked")
    authority.run("ec -aes128 -passout pass:secret -in locked.key -out locked2.key")
    key = (authority.folder / "locked2.key").read_text()
    settings = HostSettings(
        "r.example", client_certificate=certificate.read_text(), client_key=Secret(key)
    )
    with web(settings) as own, pytest.raises(CredentialError, match="the key has a password"):
        own.get("r.example", "/v2/")


def test_a_broken_docker_folder_names_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "r.example"
    folder.mkdir()
    (folder / "ca.crt").write_text("words")
    with (
        web(HostSettings("r.example"), certificates=tmp_path) as own,
        pytest.raises(CredentialError, match=r"ca\.crt is not a certificate"),
    ):
        own.get("r.example", "/v2/")
    (folder / "ca.crt").unlink()
    (folder / "a.cert").write_text("words")
    with (
        web(HostSettings("r.example"), certificates=tmp_path) as own,
        pytest.raises(CredentialError, match=str(folder)),
    ):
        own.get("r.example", "/v2/")


def test_tokens_come_from_a_server_with_the_same_authority(
    authority: Authority, server: ssl.SSLContext
) -> None:
    quirks = Quirks(auth="bearer", users={"joe": "pw"}, own_token_server=True)
    with TestRegistry(quirks, ssl_context=server) as registry:
        settings = HostSettings(
            registry.host,
            login=Login("joe", Secret("pw")),
            ca_certificate=authority.certificate,
        )
        with web(settings) as own:
            own.get(registry.host, "/v2/")
            assert len(registry.asked(role="token")) == 1


def test_an_https_registry_can_not_send_credentials_to_a_plain_realm(
    authority: Authority, server: ssl.SSLContext
) -> None:
    """Law: a token realm is distrusted (scheme checked)."""
    with scripted(lambda _: Said(200, body=b'{"token": "x"}')) as thief:
        realm = f'Bearer realm="http://{thief.host}/token"'
        with scripted(lambda _: Said(401, {"WWW-Authenticate": realm}), server) as script:
            settings = HostSettings(
                script.host,
                login=Login("joe", Secret("pw")),
                ca_certificate=authority.certificate,
            )
            with web(settings) as own, pytest.raises(CredentialError, match="not sent to an http"):
                own.get(script.host, "/v2/")
        assert thief.asked == []


def test_a_redirect_to_plain_http_gets_no_credentials(
    authority: Authority, server: ssl.SSLContext
) -> None:
    """Law: credentials are dropped on a redirect to another host."""
    with scripted(hello) as away:

        def answers(asked: Asked) -> Said:
            if "authorization" in asked.headers:
                return Said(307, {"Location": f"http://{away.host}/x"})
            return Said(401, {"WWW-Authenticate": "Basic"})

        with scripted(answers, server) as script:
            settings = HostSettings(
                script.host,
                login=Login("joe", Secret("pw")),
                ca_certificate=authority.certificate,
            )
            with web(settings) as own:
                assert own.get(script.host, "/v2/a") == b"hello"
        assert "authorization" not in away.asked[0].headers


def test_an_own_http_url_of_an_https_registry_is_asked_by_https(
    authority: Authority, server: ssl.SSLContext
) -> None:
    """PITFALLS: upload ``Location`` may be of the wrong scheme behind a proxy that ends TLS."""
    with (
        scripted(hello, server) as script,
        web(HostSettings(script.host, ca_certificate=authority.certificate)) as own,
    ):
        assert own.get(script.host, f"http://{script.host}/v2/a?last=b") == b"hello"
