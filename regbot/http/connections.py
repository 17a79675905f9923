"""The connections to one host: what of requests and urllib3 is used, and nothing more."""

from __future__ import annotations

import http.client
import queue
import re
import ssl
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from regbot.errors import InvalidValue
from regbot.http.cutting import Cutter
from regbot.http.exchange import Request
from regbot.http.framing import Answer, Connection, SecureConnection, known_to_urllib3
from regbot.http.proxies import Proxies
from regbot.http.urls import authority
from regbot.values import dataclass

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/(?!/)[A-Za-z0-9._~/:@!$&'()*+,;=?-]*")
"""A URL that goes over the wire as it is; any other is quoted first."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Scheme, host and port: the ``host`` header, and the ``proxies`` as requests wants them."""

    host: str
    proxies: dict[str, str]


class Connections:
    """Keeps connections open between the requests to one registry; threads share it.

    ``context`` makes the TLS context, which is used as it is, for the first place that
    needs one. Each place is reached through one proxy, chosen
    once. ``size`` is how many connections to a place are kept. ``cutter`` hears what
    each connection is used for.
    """

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        *,
        proxies: Proxies,
        user_agent: str,
        size: int,
        cutter: Cutter,
    ) -> None:
        self._proxies = proxies
        self._places: dict[str, _Place] = {}
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._session = Session(context, size=size, cutter=cutter)

    def send(
        self,
        request: Request,
        body: Any,  # noqa: ANN401
        timeout: tuple[float, float],
    ) -> requests.Response:
        """Send a request with a body, and give the answer with its own body unread.

        ``timeout`` is for a connection and for each read, in seconds. Raises what
        requests and urllib3 raise, and InvalidValue for a header or a proxy that makes
        no sense.
        """
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        if _PLAIN_URL.fullmatch(request.url):
            prepared.url = request.url
        else:
            prepared.prepare_url(request.url, None)
        url = str(prepared.url)
        place = self._place(url)
        headers = {"Host": place.host, **self._headers, **request.headers}
        if request.authorization:
            headers["Authorization"] = request.authorization
        if request.length is not None:
            headers["Content-Length"] = str(request.length)
        elif body:
            headers["Content-Length"] = str(len(body))
        elif request.method not in {"GET", "HEAD"}:
            headers["Content-Length"] = "0"
        sent = "".join(headers.values())
        if not (sent.isascii() and sent.isprintable()):
            raise InvalidValue("a header has characters that can't be sent")
        prepared.headers = headers  # type: ignore[assignment]
        prepared.body = body or None
        return self._session.send(prepared, stream=True, timeout=timeout, proxies=place.proxies)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _place(self, url: str) -> _Place:
        name = url[: url.find("/", 8)]
        place = self._places.get(name)
        if place is None:
            scheme, _, netloc = name.partition("://")
            proxy = self._proxies.choose(url).reveal()
            place = _Place(authority(netloc, scheme), {scheme: proxy} if proxy else {})
            self._places[name] = place
        return place


class Session(requests.Session):
    """Sends messages as they are: no cookies, netrc, hooks or redirects."""

    def __init__(self, context: Callable[[], ssl.SSLContext], *, size: int, cutter: Cutter) -> None:
        super().__init__()
        adapter = _Adapter(context, size, cutter)
        for prefix in ("http://", "https://"):
            self.mount(prefix, adapter)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401
        """Hand a message to the adapter of its URL."""
        return self.get_adapter(str(request.url)).send(request, **options)


_Raw = urllib3.HTTPResponse | Answer


class _Response(requests.Response):
    """An answer without cookies, hooks and history, which would cost as much as sending."""

    def __init__(
        self, raw: urllib3.HTTPResponse | Answer, request: requests.PreparedRequest
    ) -> None:
        self.status_code = raw.status
        self.headers = raw.headers  # type: ignore[assignment]
        self.raw = raw
        self.request = request

    def close(self) -> None:
        """Give the connection back, which is closed unless the whole answer was read."""
        self.raw.close()
        if isinstance(self.raw, urllib3.HTTPResponse):
            self.raw.release_conn()


class _Adapter(HTTPAdapter):
    """An adapter that uses one TLS context as it is, and open connections without detours."""

    def __init__(self, context: Callable[[], ssl.SSLContext], size: int, cutter: Cutter) -> None:
        self._make_context = context
        self._context: ssl.SSLContext | None = None
        self._classes = _pool_classes(cutter)
        self._pools: dict[tuple[str, str], Any] = {}
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        *,
        timeout: tuple[float, float],
        proxies: dict[str, str],
        **options: Any,  # noqa: ANN401
    ) -> requests.Response:
        """Send a message over an open connection; where there is none, as requests does it.

        So it does with a body, of which the server may not want to see the end, and with
        what a proxy passes on.
        """
        pool = self.get_connection_with_tls_context(request, None, proxies)
        connection = pool.take() if request.body is None and not proxies else None
        if connection is None:
            return super().send(request, timeout=timeout, proxies=proxies, **options)
        try:
            connection.timeout = timeout[1]
            url = self.request_url(request, proxies)
            connection.request(str(request.method), url, None, request.headers)
            answer = connection.answer()
        except BaseException as error:
            connection.close()
            pool.give_back(connection)
            if isinstance(error, http.client.HTTPException):
                raise requests.ConnectionError(error, request=request) from error
            raise
        answer.give_back = partial(pool.give_back, connection)
        return self.build_response(request, answer)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Open connections of our own classes."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401
        """The same through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._classes
        return manager

    def get_connection_with_tls_context(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        verify: object,  # noqa: ARG002
        proxies: dict[str, str] | None = None,
        cert: object = None,  # noqa: ARG002
    ) -> Any:  # noqa: ANN401
        """The connections to a place, found by its name in the URL."""
        url, proxy = str(request.url), next(iter((proxies or {}).values()), "")
        place = url[: url.find("/", 8)], proxy
        pool = self._pools.get(place)
        if pool is None or pool.pool is None:
            manager = self.proxy_manager_for(proxy) if proxy else self.poolmanager
            encrypted = any(name.startswith("https:") for name in place)
            pool = manager.connection_from_url(url, self._tls() if encrypted else {})
            self._pools[place] = pool
        return pool

    def _tls(self) -> dict[str, Any]:
        """How TLS is spoken. Raises CredentialError."""
        if self._context is None:
            self._context = self._make_context()
            if self._context.verify_mode is ssl.CERT_NONE:
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return {"ssl_context": self._context, "cert_reqs": self._context.verify_mode}

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ANN401
        """What stands in the request line: path and query, unless a proxy wants it all."""
        url = str(request.url)
        if proxies or not _PLAIN_URL.fullmatch(url):
            return super().request_url(request, proxies)
        return url[url.find("/", 8) :]

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """The context has the certificates already."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401
        """The answer with its headers as they came; a body in another encoding is decoded."""
        if isinstance(resp, Answer) and "Content-Encoding" in resp.headers:
            resp = known_to_urllib3(resp, str(req.method))
        return _Response(resp, req)


class _Stack:
    """What urllib3 needs of a ``queue.LifoQueue``, which takes long for what may wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: deque[Connection | None] = deque()

    def put(self, connection: Connection | None, **_options: object) -> None:
        """Keep a connection. Raises Full where that would be more than ``most``."""
        if len(self._connections) >= self._most:
            raise queue.Full
        self._connections.append(connection)

    def get(self, **_options: object) -> Connection | None:
        """The connection that was kept last. Raises Empty."""
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        """How many there are."""
        return len(self._connections)


class _Kept:
    """The open connections of a pool, for those who use them without the pool."""

    QueueCls: Any = _Stack
    pool: Any

    def take(self) -> Connection | None:
        """A connection that is open and waits for a request, if there is one."""
        kept = self.pool
        if kept is None:
            return None
        try:
            connection: Connection | None = kept.get()
        except queue.Empty:
            return None
        if connection is not None and connection.is_idle:
            return connection
        self.give_back(connection)
        return None

    def give_back(self, connection: Connection | None) -> None:
        """Keep a connection that was taken; it is closed where there is no more room."""
        try:
            if self.pool is not None:
                self.pool.put(connection)
                return
        except queue.Full:
            pass
        if connection is not None:
            connection.close()


class _Plain(_Kept, urllib3.HTTPConnectionPool):
    """The connections to a place."""


class _Secure(_Kept, urllib3.HTTPSConnectionPool):
    """The connections to a place, by TLS."""


def _pool_classes(cutter: Cutter) -> dict[str, Any]:
    """Pools whose connections tell what socket they send over, and when they wait."""
    plain = type("PlainConnection", (Connection,), {"cutter": cutter})
    secure = type("SecureConnection", (SecureConnection,), {"cutter": cutter})
    return {
        "http": type("PlainPool", (_Plain,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (_Secure,), {"ConnectionCls": secure}),
    }
