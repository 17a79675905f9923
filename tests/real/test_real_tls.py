"""A real docker-registry behind TLS: its own, and nginx that wants client certificates."""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.between import nginx
from support.bots import LIFE, failure, leaks, lived, run_bot
from support.certificates import Authority
from support.clients import Client
from support.httpclient import pull, web
from support.images import make_image, push
from support.servers import RealRegistry, docker_registry, skopeo
from support.tagged import delete_tag

from regbot.errors import ConnectionFailed, CredentialError, RequestError
from regbot.http.hosts import HostSettings, Secret
from regbot.oci.tag import Tag

LIST = 'tag.ls(args.host .. "/team/app")'
SEVERAL = """
for _ = 1, 3 do pcall(tag.ls, args.host .. "/team/app") end
tag.ls(args.host .. "/team/app")
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    certificate, key = authority.sign("registry")
    tls = {"certificate": str(certificate), "key": str(key)}
    trusting = ssl.create_default_context(cadata=authority.certificate)
    folder = tmp_path_factory.mktemp("secure")
    with docker_registry(folder, more={"http": {"tls": tls}}, tls=trusting) as registry:
        yield registry


@pytest.fixture(scope="module")
def client(authority: Authority) -> dict[str, str]:
    """The files of a client certificate that nginx takes."""
    certificate, key = authority.sign("client")
    return {"clientCert": str(certificate), "clientKey": str(key)}


def from_files(**files: object) -> dict[str, str]:
    """Settings that are read from files by the config's templates."""
    return {name: f'{{{{file "{path}"}}}}' for name, path in files.items()}


def test_regcert(secure: RealRegistry, authority: Authority, tmp_path: Path) -> None:
    """Config: ``regcert`` is the authority that a registry's certificate comes from."""
    creds = from_files(regcert=authority.folder / "ca.crt")
    lived(run_bot(tmp_path, LIFE, secure.host, creds=creds))
    assert list(secure.tags("team/app")) == ["v1"]
    name = f"docker://{secure.host}/team/app"
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (trusted / "ca.crt").write_text(authority.certificate)
    seen = skopeo("list-tags", f"--cert-dir={trusted}", name).stdout
    assert '"v1"' in seen


def test_insecure(secure: RealRegistry, tmp_path: Path) -> None:
    """Config: ``tls: insecure`` takes any certificate."""
    lived(run_bot(tmp_path, LIFE, secure.host, creds={"tls": "insecure"}))


@pytest.mark.parametrize("creds", [{}, {"tls": "enabled"}], ids=["not said", "enabled"])
def test_an_unknown_authority(secure: RealRegistry, tmp_path: Path, creds: dict[str, Any]) -> None:
    """A certificate that is not trusted: one line, with what to do."""
    said = failure(run_bot(tmp_path, LIST, secure.host, creds=creds))
    assert "its certificate is not trusted" in said
    assert f"set regcert to its authority, or tls: insecure, for {secure.host}" in said


def test_the_authority_of_another(secure: RealRegistry, tmp_path: Path) -> None:
    """Trusting somebody does not mean to trust everybody."""
    other = Authority.make(tmp_path / "other", "Another Authority")
    creds = from_files(regcert=other.folder / "ca.crt")
    said = failure(run_bot(tmp_path, LIST, secure.host, creds=creds))
    assert "its certificate is not trusted" in said


def test_plain_http_to_a_tls_port(secure: RealRegistry, tmp_path: Path) -> None:
    """``tls: disabled`` for a registry that speaks TLS."""
    said = failure(run_bot(tmp_path, LIST, secure.host, creds={"tls": "disabled"}))
    assert "400" in said


def test_tls_to_a_plain_port(tmp_path: Path) -> None:
    """FAQ: http: server gave HTTP response to HTTPS client: use ``tls: disabled``."""
    with docker_registry(tmp_path / "registry") as registry:
        said = failure(run_bot(tmp_path, LIST, registry.host))
        assert "server gave HTTP response to HTTPS client" in said
        assert f"set tls: disabled for {registry.host}" in said
        lived(run_bot(tmp_path, LIFE, registry.host, creds={"tls": "disabled"}))


def test_certificates_of_docker(secure: RealRegistry, authority: Authority, tmp_path: Path) -> None:
    """``/etc/docker/certs.d/HOST:PORT/*.crt`` are trusted for that host, and no other."""
    folder = tmp_path / secure.host
    folder.mkdir()
    (folder / "ca.crt").write_text(authority.certificate)
    with web(HostSettings(secure.host), certificates=tmp_path) as own:
        assert b"repositories" in own.get(secure.host, "/v2/_catalog")
        other = secure.host.replace("127.0.0.1", "localhost")
        with pytest.raises(ConnectionFailed, match="not trusted"):
            own.get(other, "/v2/_catalog")


@pytest.mark.parametrize("tells", [True, False], ids=["knows of TLS", "hands out http URLs"])
def test_a_client_certificate(
    authority: Authority, client: dict[str, str], tmp_path: Path, tells: bool
) -> None:
    """Config: mTLS with ``clientCert`` and ``clientKey``.

    PITFALLS: upload ``Location``: behind nginx the registry may take itself for plain.
    """
    with (
        docker_registry(tmp_path / "registry") as registry,
        nginx(tmp_path / "nginx", registry.host, authority, tells=tells) as host,
    ):
        creds = from_files(regcert=authority.folder / "ca.crt", **client)
        done = run_bot(tmp_path, LIFE, host, creds=creds)
        lived(done)
        assert list(registry.tags("team/app")) == ["v1"]
        key = Path(client["clientKey"]).read_text().splitlines()
        assert not leaks(done, "", *key[1:-1])
        settings = {
            "tls": "enabled",
            "ca_certificate": authority.certificate,
            "client_certificate": Path(client["clientCert"]).read_text(),
            "client_key": Secret(Path(client["clientKey"]).read_text()),
        }
        with Client(host, **settings, blob_max=1, blob_chunk=300) as chunky:
            push(chunky.store("team/chunks"), make_image(), "v1")
            assert chunky.store("team/chunks").tags() == ["v1"]


def test_without_a_client_certificate(
    authority: Authority, client: dict[str, str], tmp_path: Path
) -> None:
    """A missing certificate, or one of a stranger, is one clear error, whatever is tried."""
    stranger = Authority.make(tmp_path / "stranger", "A Stranger")
    certificate, key = stranger.sign("client")
    trusting = {"tls": "enabled", "ca_certificate": authority.certificate}
    shown = {"client_certificate": certificate.read_text(), "client_key": Secret(key.read_text())}
    with (
        docker_registry(tmp_path / "registry") as registry,
        nginx(tmp_path / "nginx", registry.host, authority) as host,
    ):
        with Client(registry.host) as plainly:
            push(plainly.store(), make_image(), "v1")
        creds = from_files(regcert=authority.folder / "ca.crt")
        said = failure(run_bot(tmp_path, SEVERAL, host, creds=creds))
        assert "400" in said
        with Client(host, **trusting, **shown) as other:
            with pytest.raises(RequestError, match="400") as caught:
                other.store().tags()
            assert "\n" not in str(caught.value)
            with pytest.raises(RequestError, match="400"):
                delete_tag(other.store(), Tag("v1"))
        assert list(registry.tags("team/app")) == ["v1"]


def test_client_certificates_of_docker(
    authority: Authority, client: dict[str, str], tmp_path: Path
) -> None:
    """``/etc/docker/certs.d/HOST:PORT/*.cert`` and ``*.key`` are shown to that host."""
    with (
        docker_registry(tmp_path / "registry") as registry,
        nginx(tmp_path / "nginx", registry.host, authority) as host,
    ):
        folder = tmp_path / "certs.d" / host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_text(authority.certificate)
        (folder / "own.cert").write_text(Path(client["clientCert"]).read_text())
        with (
            web(HostSettings(host), certificates=tmp_path / "certs.d") as own,
            pytest.raises(CredentialError, match=rf"own\.key: {os.strerror(errno.ENOENT)}"),
        ):
            own.get(host, "/v2/_catalog")
        (folder / "own.key").write_text(Path(client["clientKey"]).read_text())
        with web(HostSettings(host), certificates=tmp_path / "certs.d") as own:
            assert own.get(host, "/v2/_catalog", scopes=pull("app")) == b'{"repositories":[]}\n'
