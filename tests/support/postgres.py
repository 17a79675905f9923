"""A real PostgreSQL of the tests: a server of its own in a temporary folder.

It runs as an unprivileged user, since it refuses to run as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from psycopg import sql

from support.servers import free_port

USER = "regbot"
PASSWORD = "s3cret of the tests"
_LONGEST = 60
"""Seconds that a server may take to start or to stop."""

Shutdown = Literal["smart", "fast", "immediate"]
"""How ``pg_ctl`` stops a server: ``immediate`` is what a power cut does."""


def _program(name: str) -> str:
    """The path of a program of PostgreSQL, which Debian keeps in a folder of its version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    if program := shutil.which(name, path=path):
        return program
    why = f"{name} is not installed (Debian package postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


class Postgres:
    """A server that listens on loopback; ``folder`` has its data and its log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._names = count()
        self._owner = "nobody" if os.geteuid() == 0 else None
        (folder / "password").write_text(PASSWORD)
        if self._owner:
            for path in (folder, folder / "password"):
                shutil.chown(path, self._owner)
        self._call(
            "initdb", "--auth=scram-sha-256", f"--username={USER}", "--no-sync",
            f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C",
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self._port} -k {self._folder} -c max_connections=200"
        self._call("pg_ctl", "start", "--wait", "--silent", "-l", f"{self._folder}/log",
                   "-t", str(_LONGEST), "-o", options)  # fmt: skip

    def stop(self, how: Shutdown = "fast") -> None:
        """Stop it, and wait until it is gone."""
        self._call("pg_ctl", "stop", "--wait", "--silent", "-t", str(_LONGEST), "-m", how)

    def restart(self, how: Shutdown = "fast") -> None:
        """Stop it, and start it again on the same port."""
        self.stop(how)
        self.start()

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, with the password in it."""
        password = PASSWORD.replace(" ", "%20")
        return f"postgresql://{USER}:{password}@127.0.0.1:{self._port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database until the end of the block; its URL."""
        name = f"test{next(self._names)}"
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _call(self, name: str, *arguments: str) -> None:
        ended = subprocess.run(
            [_program(name), "-D", f"{self._folder}/data", *arguments],
            user=self._owner,
            group="nogroup" if self._owner else None,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert not ended.returncode, ended.stderr


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server until the end of the block, which leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="regbot-pg-"))
    try:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)
