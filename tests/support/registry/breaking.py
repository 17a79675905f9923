"""What a fault does to a request: before the registry answers it, and to its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from support.registry.calls import Call, Reply, error
from support.registry.content import Content
from support.registry.faults import Fault, Faults

_LOGIN_PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


def broken_before(
    call: Call, content: Content, faults: Faults, answer: Callable[[], Reply]
) -> Reply | None:
    """The answer to a request that is not carried out, or not now. ``answer`` does it."""
    fault = call.fault
    if fault is None:
        return None
    match fault.kind:
        case "status":
            reply = error(fault.status, fault.code or "UNKNOWN", headers=fault.headers)
            return reply if fault.code else Reply(fault.status, fault.headers)
        case "refused and hidden":
            faults.plan(Fault("status", "HEAD", "/manifests/", status=404))
            return error(fault.status, "DENIED")
        case "drop":
            return Reply(0, close=True)
        case "late":
            content.later(fault.requests, answer)
            return Reply(0, close=True)
        case "html":
            return Reply(200, {"Content-Type": "text/html"}, _LOGIN_PAGE)
        case "call" if fault.call is not None:
            fault.call()
    return None


def broken_after(call: Call, reply: Reply) -> Reply:
    """What comes back of an answer."""
    fault = call.fault
    if fault is None:
        return reply
    match fault.kind:
        case "lost answer":
            return Reply(0, close=True)
        case "otherwise":
            return error(fault.status, fault.code or "UNKNOWN")
        case "cut":
            return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
        case "wrong content":
            return Reply(reply.status, reply.headers, reply.body + b" ")
        case "wrong digest header":
            wrong = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
            return Reply(reply.status, {**reply.headers, **wrong}, reply.body)
    return reply


def stall(call: Call, closing: threading.Event) -> None:
    """Wait as long as the fault of a request says, but not past the end of the registry."""
    if call.fault is not None and call.fault.kind == "stall":
        closing.wait(call.fault.seconds)
