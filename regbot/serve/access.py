"""Who may read and who may ask: the tokens of the config, and a limit for those who guess.

It stands in front of all handlers, so that none can forget it. A POST needs ``token``,
which comes as a bearer token (RFC 6750) or in the form field ``token``. Reading needs
``readToken`` or ``token`` where the config has a ``readToken``: as a bearer token, or as
the password of basic authentication (RFC 7617), which browsers ask for. Basic credentials
are sent by browsers on their own, also along with a form of another site, so that a POST
with them is refused. There is no cookie.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from regbot.events import Emit, Message
from regbot.http.hosts import Secret
from regbot.report.shown import visible
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.config.values import ServerSettings

_FORM = "application/x-www-form-urlencoded"
_BODY = 64 * 1024
_FIELDS = 20
_SHOWN = 200
_GUESSES = 10
"""Wrong tokens that an address may send in ``_MINUTE`` seconds."""
_MINUTE = 60.0
_ADDRESSES = 1000
"""Addresses that are remembered. One more, and the one that began first is forgotten."""
_BEARER = ("WWW-Authenticate", 'Bearer realm="regbot"')
_BASIC = ("WWW-Authenticate", 'Basic realm="regbot", charset="UTF-8"')


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, in a sentence, with further headers of the answer."""

    status: HTTPStatus
    why: str = ""
    headers: tuple[tuple[str, str], ...] = ()


_NO_TOKEN = Refusal(
    HTTPStatus.FORBIDDEN,
    "this server takes no orders, because its config has no token (set server: {token: ...})",
)
_TO_ASK = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "the token of the config is needed (server: {token: ...})",
    (_BEARER,),
)
_TO_READ = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "a token of the config is needed to read (server: {readToken: ...})",
    (_BASIC, _BEARER),
)
_WRONG = "this is not the token of the config"


class Guesses:
    """Wrong tokens by address, for a minute each. ``clock`` gives seconds that never go back.

    All of an IPv6 network of 64 bits is one address, since one machine may have them all.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, address: str) -> int:
        """How many seconds an address has to wait before it may try again; 0 if it may now."""
        now = self._clock()
        with self._lock:
            begun, count = self._counts.get(network_of(address), (now, 0))
        left = begun + _MINUTE - now
        return math.ceil(left) if count >= _GUESSES and left > 0 else 0

    def note(self, address: str) -> None:
        """Note a wrong token."""
        now, network = self._clock(), network_of(address)
        with self._lock:
            begun, count = self._counts.get(network, (now, 0))
            if now >= begun + _MINUTE:
                begun, count = now, 0
                self._counts.pop(network)
            self._counts[network] = (begun, count + 1)
            while len(self._counts) > _ADDRESSES:
                self._counts.popitem(last=False)


def network_of(address: str) -> str:
    """The address, or the network of 64 bits that an IPv6 address is in."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


class Access:
    """Decides who may read and who may ask, by the tokens of the config in force.

    ``clock`` gives seconds that never go back.
    """

    def __init__(
        self, settings: Callable[[], ServerSettings], emit: Emit, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._emit = emit
        self._guesses = Guesses(clock)

    def refusal(self, environ: dict[str, Any]) -> Refusal | None:
        """Why a request is refused; None if it may go on. The body of a POST stays readable."""
        settings = self._settings()
        if environ["REQUEST_METHOD"] == "POST":
            return self._asking(environ, settings.token)
        if settings.read_token is None:
            return None
        given = _bearer(environ) or _password(environ)
        return self._checked(environ, given, (settings.read_token, settings.token), _TO_READ)

    def _asking(self, environ: dict[str, Any], token: Secret | None) -> Refusal | None:
        if token is None:
            return self._refused(environ, _NO_TOKEN)
        given = _bearer(environ) or _field(environ)
        return self._checked(environ, given, (token,), _TO_ASK)

    def _checked(
        self,
        environ: Mapping[str, Any],
        given: str,
        tokens: Sequence[Secret | None],
        missing: Refusal,
    ) -> Refusal | None:
        """Compare what is given with the tokens that will do.

        An address that has sent too many wrong ones learns nothing of this one.
        """
        wait = self._guesses.wait(environ.get("REMOTE_ADDR", ""))
        if wait:
            return Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many wrong tokens from this address (try again in {wait} seconds)",
                (("Retry-After", str(wait)),),
            )
        if any([_is_same(given, token) for token in tokens]):  # noqa: C419 - all are compared
            return None
        if not given and environ["REQUEST_METHOD"] != "POST":
            return missing
        return self._refused(environ, replace(missing, why=_WRONG) if given else missing)

    def _refused(self, environ: Mapping[str, Any], refusal: Refusal) -> Refusal:
        """The refusal, which counts, and is logged with what was asked and from where.

        Not beyond the limit, so that nobody can fill the log.
        """
        address = environ.get("REMOTE_ADDR", "")
        if not self._guesses.wait(address):
            self._guesses.note(address)
            fields = asked_fields(environ)
            self._emit(Message("warn", f"refused a request: {refusal.why}", fields))
        return refusal


def asked_fields(environ: Mapping[str, Any]) -> dict[str, str]:
    """What the log says of a request: what is asked, and the address that asks."""
    path: str = environ.get("bottle.raw_path", environ["PATH_INFO"])  # bottle decodes the other
    path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    return {
        "request": visible(f"{environ['REQUEST_METHOD']} {path[:_SHOWN]}"),
        "from": environ.get("REMOTE_ADDR", ""),
    }


def _is_same(given: str, token: Secret | None) -> bool:
    """Whether a token is this one. The time it takes tells nothing about either."""
    sent, expected = (
        hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        for text in (given, token.reveal() if token else "")
    )
    return hmac.compare_digest(sent, expected) and bool(token)


def _credentials(environ: Mapping[str, Any], scheme: str) -> str:
    """What the header Authorization has for a scheme; empty for another."""
    name, _, value = str(environ.get("HTTP_AUTHORIZATION", "")).strip().partition(" ")
    return value.strip() if name.lower() == scheme else ""


def _bearer(environ: Mapping[str, Any]) -> str:
    return _credentials(environ, "bearer")


def _password(environ: Mapping[str, Any]) -> str:
    """The password of basic authentication; the user may be anybody."""
    try:
        pair = base64.b64decode(_credentials(environ, "basic"), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return pair.decode("utf-8", "surrogateescape").partition(":")[2]


def _field(environ: dict[str, Any]) -> str:
    """The field ``token`` of a form. What is no form has none."""
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind != _FORM:
        return ""
    body: bytes = environ["wsgi.input"].read(_BODY + 1)
    environ["wsgi.input"] = BytesIO(body)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_FIELDS, errors="surrogateescape")
    except ValueError:
        return ""
    return fields.get("token", [""])[0].strip()
