"""What is said when a registry can't be reached, refuses a login, or answers an error."""

import base64
import json
import socket
import ssl

import pytest
from support.certificates import Authority
from support.clients import Client
from support.configs import load
from support.httpclient import plain, pull, web
from support.logins import USERS
from support.messages import steady
from support.registry import DELETE_OFF, GITLAB, HARBOR, QUAY, Quirks, TestRegistry
from support.scripted import Said, always, scripted
from support.servers import free_port
from support.tagged import APP, delete_tag, fill

from regbot.errors import RegbotError
from regbot.http.cutting import Timeouts
from regbot.http.hosts import HostSettings, Login, Secret
from regbot.oci.tag import Tag

BASIC = Quirks(auth="basic", users=USERS)
BEARER = Quirks(auth="bearer", users=USERS)


def failure(host, settings=None, *, method="GET", actions=(), environ=None, **options):
    """Why the tags of a repository can't be read, or what else is asked."""
    scopes = pull("team/app", *actions)
    with (
        web(settings or plain(host), environ=environ, **options) as client,
        pytest.raises(RegbotError) as caught,
    ):
        client.send(host, "/v2/team/app/tags/list", method, scopes=scopes).read()
    return str(caught.value)


def configured(host, *lines):
    text = f"creds:\n  - registry: {host}\n    tls: disabled\n"
    text += "".join(f"    {line}\n" for line in lines)
    return load(text).client.hosts[0]


# Logins ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quirks", "lines"),
    [
        (BASIC, ("user: joe", "pass: falsch")),
        (BEARER, ("user: joe", "pass: falsch")),
        (BEARER, ("token: falsch",)),
        (BASIC, ()),
        (BEARER, ()),
    ],
    ids=["a password", "a password at a token server", "a token", "none", "none for a token"],
)
def test_a_login_is_refused(snapshot, quirks, lines):
    with TestRegistry(quirks) as registry:
        text = failure(registry.host, configured(registry.host, *lines))
    assert steady(text) == snapshot


def test_a_login_of_docker_is_refused(snapshot, tmp_path):
    with TestRegistry(BASIC) as registry:
        auth = base64.b64encode(b"joe:falsch").decode()
        (tmp_path / ".docker").mkdir()
        config = json.dumps({"auths": {registry.host: {"auth": auth}}})
        (tmp_path / ".docker" / "config.json").write_text(config)
        text = failure(registry.host, environ={"HOME": str(tmp_path)})
    assert steady(text, tmp_path) == snapshot


@pytest.mark.parametrize(
    "script",
    ['echo \'{"Username": "joe", "Secret": "falsch"}\'', "exit 1", "echo hello", None],
    ids=["refused", "failed", "odd", "absent"],
)
def test_a_helper_gives_no_good_login(snapshot, tmp_path, script):
    if script:
        helper = tmp_path / "docker-credential-test"
        helper.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
        helper.chmod(0o755)
    with TestRegistry(BASIC) as registry:
        settings = configured(registry.host, "credHelper: docker-credential-test")
        text = failure(registry.host, settings, environ={"PATH": f"{tmp_path}:/bin:/usr/bin"})
    assert steady(text, tmp_path) == snapshot


@pytest.mark.parametrize(
    ("method", "actions"), [("DELETE", ("pull", "delete")), ("PUT", ("pull", "push"))]
)
def test_a_login_lacks_a_permission(snapshot, method, actions):
    denied = always(403, b'{"errors": [{"code": "DENIED", "message": "access denied"}]}')
    with scripted(denied) as server:
        settings = configured(server.host, "user: joe", "pass: geheim")
        text = failure(server.host, settings, method=method, actions=actions)
    assert steady(text) == snapshot


def test_a_token_server_is_not_trusted(snapshot, tmp_path):
    authority = Authority.make(tmp_path)
    challenge = {"WWW-Authenticate": 'Bearer realm="http://tokens.example.org/token"'}
    with scripted(lambda _: Said(401, challenge), authority.server()) as server:
        settings = HostSettings(server.host, ca_certificate=authority.certificate)
        text = failure(server.host, settings)
    assert steady(text) == snapshot


# Connections -------------------------------------------------------------------------


def test_a_name_is_unknown(snapshot, monkeypatch):
    def fail(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert steady(failure("registry.example.org")) == snapshot


def test_nothing_listens(snapshot):
    assert steady(failure(f"127.0.0.1:{free_port()}")) == snapshot


def test_an_authority_is_unknown(snapshot, tmp_path):
    with scripted(always(), Authority.make(tmp_path).server()) as server:
        text = failure(server.host, HostSettings(server.host))
    assert steady(text) == snapshot


def test_a_certificate_is_for_another_name(snapshot, tmp_path):
    authority = Authority.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("other", "DNS:other.example.org"))
    with scripted(always(), context) as server:
        settings = HostSettings(server.host, ca_certificate=authority.certificate)
        assert steady(failure(server.host, settings)) == snapshot


def test_tls_is_spoken_to_a_plain_port(snapshot):
    with scripted(always()) as server:
        assert steady(failure(server.host, HostSettings(server.host))) == snapshot


def test_a_plain_request_goes_to_a_tls_port(snapshot, tmp_path):
    with scripted(always(), Authority.make(tmp_path).server()) as server:
        assert steady(failure(server.host)) == snapshot


def test_nothing_comes_back(snapshot):
    with TestRegistry() as registry:
        registry.break_next("stall", times=9, seconds=30.0)
        text = failure(registry.host, timeouts=Timeouts(connect=1.0, read=1.0))
    assert steady(text) == snapshot


def test_an_answer_breaks_off(snapshot):
    with scripted(lambda _: Said(200, body=b"half", length=8)) as server:
        assert steady(failure(server.host)) == snapshot


@pytest.mark.parametrize("status", [0, 407], ids=["absent", "refuses"])
def test_a_proxy_fails(snapshot, status):
    with scripted(always(status or 200)) as server:
        address = server.host if status else f"127.0.0.1:{free_port()}"
        environ = {"HOME": "/nonexistent", "HTTPS_PROXY": f"http://joe:geheim@{address}"}
        text = failure(
            "registry.example.org", HostSettings("registry.example.org"), environ=environ
        )
    assert "geheim" not in text
    assert steady(text) == snapshot


# Answers -----------------------------------------------------------------------------

HTML = b"<html><head><title>Welcome to our Wi-Fi</title></head></html>"
UNKNOWN = b'{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known"}]}'


PLAIN = b"Client sent an HTTP request to an HTTPS server.\n"


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, PLAIN), (404, UNKNOWN), (429, b""), (500, b""), (503, HTML)],
    ids=["plain HTTP", "unknown", "too many", "broken", "HTML"],
)
def test_an_answer_is_an_error(snapshot, status, body):
    with scripted(always(status, body)) as server:
        assert steady(failure(server.host)) == snapshot


def test_a_captive_portal_answers(snapshot):
    with scripted(always(200, HTML)) as server, Client(server.host) as client:
        with pytest.raises(RegbotError) as caught:
            client.store().tags()
        assert steady(str(caught.value)) == snapshot


@pytest.mark.parametrize("name", ["repository", "tag"])
def test_something_is_not_there(snapshot, name):
    with TestRegistry() as registry, Client(registry.host) as client:
        if name == "tag":
            fill(registry)
        with pytest.raises(RegbotError) as caught:
            client.store(APP).manifest(Tag("nope")) if name == "tag" else client.store(APP).tags()
        assert steady(str(caught.value)) == snapshot


# Deletes -----------------------------------------------------------------------------

OFF = {"tag_delete": "unsupported", "manifest_delete": "unsupported"}


@pytest.mark.parametrize("deleted", ["tag", "manifest"])
@pytest.mark.parametrize(
    "quirks", [DELETE_OFF, HARBOR, GITLAB, QUAY], ids=["unknown", "Harbor", "GitLab", "Quay"]
)
def test_deletes_are_switched_off(snapshot, quirks, deleted):
    login = Login("joe", Secret("secret"))
    with (
        TestRegistry(quirks, users={"joe": "secret"}, **OFF) as registry,
        Client(registry.name, hostname=registry.host, login=login) as client,
    ):
        fill(registry)
        store = client.store()
        digest = store.head(Tag("old")).digest
        with pytest.raises(RegbotError) as caught:
            delete_tag(store, Tag("old")) if deleted == "tag" else store.delete_manifest(digest)
    assert "\n".join(map(steady, [str(caught.value), *client.said("warn")])) == snapshot


def test_a_tag_is_protected(snapshot):
    login = Login("joe", Secret("secret"))
    with (
        TestRegistry(HARBOR, users={"joe": "secret"}) as registry,
        Client(registry.name, hostname=registry.host, login=login) as client,
    ):
        fill(registry)
        registry.content.repository(APP).protected.add("old")
        with pytest.raises(RegbotError) as caught:
            delete_tag(client.store(), Tag("old"))
    assert steady(str(caught.value)) == snapshot
