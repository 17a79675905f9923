"""Where regbot keeps what it remembers: a folder, or a database."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from regbot.errors import InvalidValue
from regbot.http.hosts import Secret
from regbot.values import dataclass

SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The URL of a database in PostgreSQL, as its own programs take it.

    ``shown`` is what messages call it: scheme, user, hosts and database, no password and no
    parameters. ``secret`` is the whole URL.
    """

    secret: Secret
    shown: str

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """A URL such as ``postgresql://user:password@host/database``. Raises InvalidValue."""
        try:
            url = urlsplit(text)
        except ValueError:
            url = urlsplit("")
        if url.scheme not in SCHEMES or not text.startswith(f"{url.scheme}://"):
            raise InvalidValue("is no URL such as postgresql://user:password@host/database")
        if re.search(r"[\s\x00-\x1f\x7f]", text):
            raise InvalidValue("has a space in it (write %20 in a password)")
        if "@" in f"{url.path}{url.query}{url.fragment}":
            raise InvalidValue("has an @ after its host (write %2F, %3F, %23 or %40 in a password)")
        if url.netloc.count("@") > 1:
            raise InvalidValue("has an @ before that of its host (write %40 in a password)")
        login, at, hosts = url.netloc.rpartition("@")
        user = login.partition(":")[0]
        return cls(Secret(text), f"{url.scheme}://{user}{at}{hosts}{url.path}")

    @property
    def has_password(self) -> bool:
        """Whether a password is in it, rather than in the environment or a file."""
        url = urlsplit(self.secret.reveal())
        return ":" in url.netloc.rpartition("@")[0] or "password" in parse_qs(url.query)

    def __str__(self) -> str:
        return self.shown


State = Path | DatabaseUrl
"""Where regbot keeps what it remembers."""


def state_of(text: str, base: Path = Path()) -> State:
    """A folder from ``base``, or the database of what looks like a URL.

    Raises InvalidValue for a wrong URL.
    """
    if "://" in text:
        return DatabaseUrl.parse(text)
    return base / Path(text).expanduser()
