"""Why a connection failed, in words: from the exceptions of sockets, TLS and HTTP."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Iterator

_PLAIN = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
_ANOTHER_NAME = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
_CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
_NOBODY_THERE = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
_NAME_UNKNOWN = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def explain(error: BaseException, registry: str, *, may_be_tls: bool = False) -> tuple[str, bool]:
    """What went wrong, and whether trying again may help.

    ``registry`` is the name to set things for in the config; ``may_be_tls``: it
    was asked in plain HTTP, and has never answered.
    """
    chain = [cause for cause in _chain(error) if not _wraps(cause)]
    for kind in (ssl.SSLError, socket.gaierror, http.client.HTTPException, OSError):
        cause = next((cause for cause in chain if isinstance(cause, kind)), None)
        if cause is not None:
            why, retry = _explain(cause, registry)
            if may_be_tls and isinstance(cause, _CLOSED):
                why += f" (if it uses TLS, set tls: enabled for {registry})"
            return why, retry
    return "the response is not valid HTTP", True


def is_unreachable(error: BaseException) -> bool:
    """Whether nothing is there to connect to: no address, no way to it, or nobody listens."""
    return any(
        isinstance(cause, socket.gaierror)
        or (isinstance(cause, OSError) and cause.errno in _NOBODY_THERE)
        for cause in _chain(error)
    )


def _explain(error: BaseException, registry: str) -> tuple[str, bool]:
    match error:
        case ssl.SSLError():
            return _tls(error, registry)
        case socket.gaierror():
            unknown = error.errno in _NAME_UNKNOWN
            why = f"the name can't be resolved: {error.strerror or error}"
            return f"{why} (is {registry} spelled right, and the network up?)", not unknown
        case error if isinstance(error, _CLOSED):
            return "the connection was closed before an answer came", True
        case http.client.IncompleteRead():
            return "the answer broke off before its end", True
        case http.client.BadStatusLine():
            return "the response is not HTTP (if the registry uses TLS, set tls: enabled)", True
        case http.client.HTTPException():
            return "the headers of the response are not valid HTTP/1.1", True
        case ConnectionRefusedError():
            return f"connection refused: nothing listens there (is {registry} running there?)", True
        case TimeoutError():
            return "timed out", True
        case OSError() if error.strerror:
            return error.strerror.lower(), True
        case _:
            return "the connection failed", True


def _tls(error: ssl.SSLError, registry: str) -> tuple[str, bool]:
    reason = error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _ANOTHER_NAME:
            return (
                "its certificate is for another name "
                f"(set hostname to that name, or tls: insecure, for {registry})"
            ), False
        return (
            f"its certificate is not trusted: {error.verify_message or 'it does not verify'} "
            f"(set regcert to its authority, or tls: insecure, for {registry})"
        ), False
    if reason in _PLAIN:
        return (
            "server gave HTTP response to HTTPS client: it does not speak TLS "
            f"(set tls: disabled for {registry}, or run:"
            f" regbot registry set --tls disabled {registry})"
        ), False
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return (
            "the server did not accept the client certificate, or requires one "
            f"(set clientCert and clientKey for {registry})"
        ), False
    if "ALERT_HANDSHAKE_FAILURE" in reason:
        return (
            "the server refused the TLS handshake "
            f"(if it requires a certificate, set clientCert and clientKey for {registry})"
        ), False
    if isinstance(error, ssl.SSLEOFError):
        hint = (
            f"set tls: disabled for {registry} if it uses plain HTTP,"
            " or clientCert and clientKey if it requires a certificate"
        )
        return f"the connection was closed during TLS ({hint})", True
    return f"TLS failed: {reason.replace('_', ' ').lower() or 'no reason given'}", False


def _wraps(error: BaseException) -> bool:
    """Whether it is an OSError in name only, made by a library around the real one."""
    return isinstance(error, OSError) and type(error).__module__.startswith("requests")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those it was made from, in all the ways libraries keep them."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
