"""What of requests and urllib3 is used, with all they would do by themselves left out."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

Uses = Callable[[object], None]
"""Is told the socket whenever a connection sends."""


class Session(requests.Session):
    """Keeps connections open, and nothing else: no cookies, netrc, proxies, redirects."""

    def __init__(self, context: ssl.SSLContext, *, size: int, uses: Uses) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for prefix in ("http://", "https://"):
            self.mount(prefix, _Adapter(context, size, uses))
        if context.verify_mode is ssl.CERT_NONE:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Keep requests from looking at redirects, for which it would read bodies."""


class _Adapter(HTTPAdapter):
    """An adapter that uses one TLS context as it is."""

    def __init__(self, context: ssl.SSLContext, size: int, uses: Uses) -> None:
        self._context = context
        self._pools = _pools(uses)
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Open connections of our own classes."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401
        """The same through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def build_connection_pool_key_attributes(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        verify: object,  # noqa: ARG002
        cert: object = None,  # noqa: ARG002
    ) -> tuple[Any, dict[str, Any]]:
        """Which connections a request may use."""
        place, _ = super().build_connection_pool_key_attributes(request, verify=True)
        return place, {"ssl_context": self._context, "cert_reqs": self._context.verify_mode}

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """The context has the certificates already."""


def _pools(uses: Uses) -> dict[str, Any]:
    """Pools whose connections tell what socket they send over."""

    class Plain(HTTPConnection):
        def send(self, data: Any) -> None:  # noqa: ANN401
            super().send(data)
            uses(self.sock)

    class Secure(HTTPSConnection):
        def send(self, data: Any) -> None:  # noqa: ANN401
            super().send(data)
            uses(self.sock)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
