"""``server``: who may look at the pages of a server and ask it for something."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from regbot.config.document import Mistake
from regbot.config.fields import Expected, clean_text_of, unexpected, word_of
from regbot.config.filefields import rendered
from regbot.config.section import Key, Listing, Section, Value
from regbot.config.shapes import ANY_TEXT, shaped, text
from regbot.http.hosts import Secret

_LEAST = 16
"""Characters of a token. A shorter one could be guessed."""

_NAME = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9][A-Za-z0-9-]{0,61}"
HOST = Expected("a host name without a port", "write one such as regbot.example.org")
URL = Expected("an http or https URL", "write one such as https://regbot.example.org")


@shaped(ANY_TEXT)
def token_of(value: Value) -> Secret:
    """A token, which a template may give. One whose template gives nothing fits no request."""
    source, token = clean_text_of(value).strip(), rendered(value).strip()
    if not token and "{{" in source:
        return Secret()
    if not re.fullmatch("[!-~]*", token):
        raise Mistake("it has a space or a character that is not ASCII (make one without)")
    if len(token) < _LEAST:
        raise Mistake(
            f"a token needs at least {_LEAST} characters (make one: openssl rand -hex 32)"
        )
    return Secret(token)


@shaped(text("regbot.example.org"))
def host_name_of(value: Value) -> str:
    """The name of a host, in lower case."""
    word = word_of(value, HOST)
    if not _is_host(word):
        raise unexpected(word, HOST)
    return word.lower()


def _is_host(word: str) -> bool:
    if re.fullmatch(_NAME, word):
        return True
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


@shaped(text("https://regbot.example.org"))
def url_of(value: Value) -> str:
    """The URL of a server's pages, without the slash at its end."""
    word = word_of(value, URL)
    try:
        url = urlsplit(word)
        is_valid = url.scheme in ("http", "https") and url.port != 0 and "@" not in url.netloc
    except ValueError:
        is_valid = False
    if not is_valid or not _is_host(url.hostname or ""):
        raise Mistake(f"expected {URL.what} ({URL.hint})")
    if url.path.strip("/") or "?" in word or "#" in word:
        raise Mistake(f"only a scheme, a host and a port may be in it ({URL.hint})")
    return f"{url.scheme}://{url.netloc.lower()}"


class ServerSection(Section):
    """How ``server --listen`` is reached and who may ask it; fields of ServerSettings."""

    token = Key(
        token_of,
        "Who has this token may start scripts, and approve and apply plans. Without it nobody"
        " can, except by command. At least 16 characters.",
    )
    read_token = Key(
        token_of,
        "Who has this token, or `token`, may read. Without it everybody can who reaches the"
        " port. At least 16 characters.",
    )
    hosts = Key(
        Listing(host_name_of, unique=True),
        "The names by which the server may be called, beside IP addresses, `localhost`, and the"
        " names in `--listen` and `url`.",
    )
    url = Key(
        url_of,
        "The URL by which people reach the pages, for links in notifications.",
    )

    @classmethod
    def read(cls, value: Value) -> ServerSection:
        """The same. The two tokens have to differ."""
        section = super().read(value)
        if section.token and section.token == section.read_token:
            value.note(
                value.mark,
                "token and readToken are the same, so whoever may read could delete"
                " (make another for readToken)",
            )
        return section
