"""A token server of the tests' own, whose signed tokens a real registry believes.

It speaks distribution's token protocol: GET with a user and password, POST with an
identity token. Tokens are JSON web tokens, signed by the openssl command.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.certificates import Authority
from support.scripted import Asked, Said, Scripted, scripted
from support.servers import RealRegistry, docker_registry, program

ISSUER = "the tests"
SERVICE = "registry of the tests"


@dataclass(slots=True)
class TokenServer:
    """Gives out tokens: to ``users`` by password, to ``identities`` by identity token.

    ``post`` is the status of a POST, 200 to answer it. ``most_scopes`` is how many it
    takes in one request. ``actions`` are those that it grants.
    """

    authority: Authority
    users: Mapping[str, str]
    identities: Mapping[str, str] = field(default_factory=dict)
    post: int = 200
    most_scopes: int = 100
    actions: tuple[str, ...] = ("pull", "push", "delete", "*")
    script: Scripted | None = None
    issued: list[str] = field(default_factory=list)

    @property
    def asked(self) -> list[Asked]:
        """What it was asked, in order."""
        return self.script.asked if self.script else []

    @property
    def scopes(self) -> list[list[str]]:
        """The scopes of each request."""
        return [_scopes(_fields(asked)) for asked in self.asked]

    def settings(self) -> dict[str, Any]:
        """The section of a registry's configuration that sends clients here."""
        assert self.script
        return {
            "token": {
                "realm": f"http://{self.script.host}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.authority.folder / "signer.crt"),
            }
        }

    def new_key(self) -> None:
        """Sign with another key from now on; registries that start later know it."""
        self.authority.run(
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=signer",
            "-keyout", "signer.key", "-out", "signer.crt",
        )  # fmt: skip

    def answer(self, asked: Asked) -> Said:
        """A token, or why there is none."""
        fields = _fields(asked)
        if asked.method == "POST":
            if self.post != 200:
                return Said(self.post)
            user = self.identities.get("".join(fields.get("refresh_token", [])), "")
        else:
            user = self._user(asked.headers.get("authorization", ""))
        if not user:
            return Said(401, body=b'{"details": "incorrect username or password"}')
        scopes = _scopes(fields)
        if len(scopes) > self.most_scopes:
            return Said(400, body=b'{"details": "too many scopes"}')
        token = self.sign(user, [self._granted(scope) for scope in scopes])
        return Said(200, body=json.dumps({"token": token, "expires_in": 300}).encode())

    def sign(self, user: str, access: list[dict[str, Any]]) -> str:
        """A token for five minutes (RFC 7519), with the certificate of its key in it."""
        folder, now = self.authority.folder, int(time.time())
        pem = (folder / "signer.crt").read_text().splitlines()
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(pem[1:-1])]}
        claims = {
            "iss": ISSUER, "sub": user, "aud": SERVICE, "jti": uuid.uuid4().hex,
            "iat": now, "nbf": now - 10, "exp": now + 300, "access": access,
        }  # fmt: skip
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        command = [program("openssl"), "dgst", "-sha256", "-sign", str(folder / "signer.key")]
        done = subprocess.run(command, input=text.encode(), check=True, capture_output=True)
        self.issued.append(f"{text}.{_encoded(done.stdout)}")
        return self.issued[-1]

    def _user(self, authorization: str) -> str:
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        user, _, password = pair.partition(":")
        known = {**self.users, "<token>": next(iter(self.identities), "")}
        return user if password and known.get(user) == password else ""

    def _granted(self, scope: str) -> dict[str, Any]:
        kind, name, actions = scope.split(":")
        granted = [action for action in actions.split(",") if action in self.actions]
        return {"type": kind, "name": name, "actions": granted}


@contextmanager
def token_server(folder: Path, users: Mapping[str, str], **more: Any) -> Iterator[TokenServer]:
    """A token server, until the end of the block."""
    server = TokenServer(Authority.make(folder), users, **more)
    server.new_key()
    with scripted(server.answer) as script:
        server.script = script
        yield server


@contextmanager
def token_registry(
    folder: Path, users: Mapping[str, str], **more: Any
) -> Iterator[tuple[RealRegistry, TokenServer]]:
    """A real registry, and the token server that it sends its clients to."""
    with (
        token_server(folder / "tokens", users, **more) as server,
        docker_registry(folder / "registry", more={"auth": server.settings()}) as registry,
    ):
        yield registry, server


def _fields(asked: Asked) -> dict[str, list[str]]:
    text = asked.body.decode() if asked.method == "POST" else urlsplit(asked.path).query
    return parse_qs(text)


def _scopes(fields: Mapping[str, list[str]]) -> list[str]:
    return [scope for value in fields.get("scope", []) for scope in value.split()]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
