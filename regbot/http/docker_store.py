"""Stores and erases logins as docker does: by a credential helper, or in docker's own file.

All else in the file stays as it is.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue, StorageError
from regbot.events import ignore
from regbot.files import folder_of_one_writer, read_whole, reading, replace_file, writing
from regbot.http.credentials import helper_key
from regbot.http.docker_config import config_path, content_of, load_file, registry_of
from regbot.http.helper import Helper
from regbot.http.hosts import HUB_KEY, HostSettings, Login
from regbot.oci.reference import DOCKER_HUB
from regbot.stopping import Clock, Stop

_LARGEST = 4 * 1024 * 1024


class DockerStore:
    """Where the login of one registry is kept.

    A helper of its ``settings`` goes before those that docker's file names, as it does when a
    login is looked for. Raises StorageError where there is no folder for docker's file.
    """

    def __init__(self, settings: HostSettings, environ: Mapping[str, str], clock: Clock) -> None:
        path = config_path(environ)
        if path is None:
            raise StorageError("there is no folder for logins (set $DOCKER_CONFIG or $HOME)")
        self._path = path
        self._name = settings.name
        program, self._key = settings.login.helper, helper_key(settings)
        if not program:
            login = load_file(environ, ignore).login(settings.name)
            program, self._key = login.helper, login.helper_key
        self._helper = Helper(program, environ, clock) if program else None

    @property
    def place(self) -> str:
        """The helper or the file, for messages."""
        if self._helper:
            return f"the credential helper {self._helper.program}"
        return str(self._path)

    def store(self, login: Login, stop: Stop) -> None:
        """Keep a user and password, or an identity token. A file is for this user alone.

        With a helper the file notes that there is a login, as docker does, and no more. Raises
        CredentialError, StorageError and what the Stop says.
        """
        if self._helper:
            self._helper.store(self._key, login, stop)
        with self._changing() as auths:
            key = self._key_in(auths)
            auths[key] = {} if self._helper else _entry(login)

    def erase(self, stop: Stop) -> bool:
        """Forget the login; whether there was one. Raises as ``store`` does."""
        had_one = self._helper.erase(self._key, stop) if self._helper else False
        if not self._path.exists():
            return had_one
        with self._changing() as auths:
            for key in [key for key in auths if registry_of(key) == self._name]:
                had_one |= bool(auths.pop(key))
        return had_one

    def _key_in(self, auths: Mapping[str, Any]) -> str:
        """The key of the registry: the one that is there already, or docker's for a new login.

        Another one beside it would change whether docker speaks TLS there.
        """
        usual = HUB_KEY if self._name == DOCKER_HUB else self._name
        others = (key for key in auths if registry_of(key) == self._name)
        return usual if usual in auths else next(others, usual)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The logins in the file, which is written at the end if they were changed."""
        with folder_of_one_writer(self._path.parent):
            content = self._read()
            if content.get("auths") is None:
                content["auths"] = {}
            auths = content["auths"]
            if not isinstance(auths, dict):
                raise self._refused("auths is not a JSON object")
            before = dict(auths)
            yield auths
            if auths == before:
                return
            text = json.dumps(content, indent="\t")
            with writing(self._path):
                replace_file(Path(os.path.realpath(self._path)), text.encode(), 0o600)

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        with reading(self._path):
            text, _ = read_whole(self._path, _LARGEST)
        try:
            return content_of(text)
        except InvalidValue as error:
            raise self._refused(f"it {error}") from None

    def _refused(self, why: str) -> StorageError:
        return StorageError(f"can't change {self._path}: {why} (correct the file)")


def _entry(login: Login) -> dict[str, str]:
    if login.identity_token:
        return {"identitytoken": login.identity_token.reveal()}
    pair = f"{login.user}:{login.password.reveal()}".encode()
    return {"auth": base64.b64encode(pair).decode("ascii")}
