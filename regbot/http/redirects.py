"""Follows redirects, without taking credentials to another host (RFC 9110, section 15.4)."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urljoin

from regbot.errors import InvalidValue, registry_error
from regbot.http.exchange import Request, Response, Sender
from regbot.http.urls import origin, without_user
from regbot.redaction import redacted

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_METHOD_KEPT = frozenset({307, 308})
_PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization"})


class RedirectSender:
    """Sends a request to where redirects lead, unless a redirect is what it expects."""

    def __init__(self, inner: Sender) -> None:
        self._inner = inner

    def send(self, request: Request) -> Response:
        """Send it. Raises RegistryError for a redirect that can't be followed."""
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._inner.send(request)
            if answer.status not in REDIRECTS or answer.status in request.expect:
                return answer
            answer.close()
            status, location = answer.status, answer.headers.get("Location", "")
            try:
                request = redirected(request, status, location)
            except InvalidValue as error:
                raise registry_error(
                    str(error), method=request.method, url=request.url, status=status
                ) from None
        why = f"is redirected more than {_MOST_REDIRECTS} times"
        raise registry_error(why, method=request.method, url=request.url, status=status)


def redirected(request: Request, status: int, location: str) -> Request:
    """The request that a redirect asks for.

    Credentials stay only when scheme, host and port stay. What is not a read is
    repeated only at the same place. Raises InvalidValue for what can't be followed.
    """
    target = _target(request.url, location)
    stays = origin(target) == origin(request.url)
    reads = request.method in {"GET", "HEAD"}
    if not reads and not (stays and status in _METHOD_KEPT):
        raise InvalidValue(
            f"is redirected ({status}) to {redacted(target)},"
            f" which a {request.method} does not follow"
        )
    if stays:
        return replace(request, url=target)
    headers = {k: v for k, v in request.headers.items() if k.lower() not in _PRIVATE}
    return replace(request, url=target, headers=headers, authorization="")


def _target(base: str, location: str) -> str:
    if not location:
        raise InvalidValue("is redirected without a Location")
    try:
        text = location.encode("latin-1", "replace").decode("utf-8", "replace")
        target = without_user(urljoin(base, text.strip()))
    except ValueError:
        raise InvalidValue("is redirected to an invalid URL") from None
    try:
        origin(target)
    except InvalidValue as error:
        raise InvalidValue(f"is redirected to an invalid URL: {error}") from None
    return target
