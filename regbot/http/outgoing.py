"""One HTTP message about to be sent, and where a redirect takes it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from regbot.errors import InvalidValue
from regbot.http.exchange import Body
from regbot.http.urls import origin, redacted, without_user

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 10
_METHOD_KEPT = frozenset({307, 308})
_PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What goes over the wire: an absolute URL, all headers, and the body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    length: int | None = None

    def signed(self, authorization: str) -> Outgoing:
        """The same with an Authorization header; empty adds none."""
        if not authorization:
            return self
        return replace(self, headers={**self.headers, "Authorization": authorization})

    def secrets(self) -> tuple[str, ...]:
        """The texts in it that a server might repeat and no error may show."""
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            return (value,) if value else ()
        password = base64.b64decode(value).decode("utf-8", "replace").partition(":")[2]
        return (value, password) if password else (value,)


def redirected(sent: Outgoing, status: int, location: str) -> Outgoing:
    """The message a redirect asks for (RFC 9110, section 15.4).

    Credentials stay only when scheme, host and port stay. What is not a read is
    repeated only at the same place. Raises InvalidValue for what can't be followed.
    """
    target = _target(sent.url, location)
    stays = origin(target) == origin(sent.url)
    reads = sent.method in {"GET", "HEAD"}
    if not reads and not (stays and status in _METHOD_KEPT):
        raise InvalidValue(
            f"is redirected ({status}) to {redacted(target)}, "
            f"and a {sent.method} is not sent to another place than the one asked for"
        )
    if stays:
        return replace(sent, url=target)
    headers = {k: v for k, v in sent.headers.items() if k.lower() not in _PRIVATE}
    return replace(sent, url=target, headers=headers)


def _target(base: str, location: str) -> str:
    if not location:
        raise InvalidValue("is redirected without a Location")
    try:
        text = location.encode("latin-1", "replace").decode("utf-8", "replace")
        target = without_user(urljoin(base, text.strip()))
    except ValueError:
        raise InvalidValue("is redirected to a URL that can't be read") from None
    try:
        origin(target)
    except InvalidValue as error:
        raise InvalidValue(f"is redirected to nowhere: {error}") from None
    return target
