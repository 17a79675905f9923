"""A Kubernetes API server on loopback that answers lists as the API documents them.

Kubernetes API Concepts, "Retrieving large results sets in chunks": ``limit`` and
``continue``, and 410 for a token that is too old. Errors are objects of kind Status.
"""

from __future__ import annotations

import base64
import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "token of the tests"
KINDS = {
    "deployments": "apps/v1",
    "statefulsets": "apps/v1",
    "daemonsets": "apps/v1",
    "replicasets": "apps/v1",
    "controllerrevisions": "apps/v1",
    "cronjobs": "batch/v1",
    "jobs": "batch/v1",
    "pods": "v1",
    "secrets": "v1",
}


@dataclass
class KubeServer:
    """A server with ``objects`` by the plural of their kind.

    ``refuse`` has a status for kinds that can't be listed, ``expire`` how often a next page
    comes too late, ``page`` the most objects of an answer. ``rewrite`` changes each list.
    """

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refuse: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=lambda: dict(KINDS))
    expire: int = 0
    page: int = 1000
    rewrite: Callable[[dict[str, Any]], object] = lambda page: None
    asked: list[str] = field(default_factory=list)
    url: str = ""
    tls: ssl.SSLContext | None = None
    login: str = f"Bearer {TOKEN}"

    def add(self, resource: str, name: str, /, namespace: str = "prod", **content: Any) -> None:
        """An object of a kind."""
        metadata = {"name": name, "namespace": namespace}
        self.objects.setdefault(resource, []).append({"metadata": metadata, **content})

    def answer(self, target: str, login: str) -> tuple[int, dict[str, Any]]:
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        group, _, resource = split.path.strip("/").rpartition("/")
        self.asked.append(target)
        if login != self.login:
            return _status(401, "Unauthorized")
        if resource in self.refuse:
            text = f'{resource} is forbidden: User "robot" cannot list resource "{resource}"'
            return _status(self.refuse[resource], text)
        if group.partition("/")[2] != self.kinds.get(resource):
            return _status(404, "the server could not find the requested resource")
        listed = self.objects.get(resource, [])
        if "fieldSelector" in query:
            key, _, value = query["fieldSelector"].replace("==", "=").partition("=")
            listed = [item for item in listed if item.get(key) == value]
        return self._page(listed, query)

    def _page(
        self, listed: Sequence[dict[str, Any]], query: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        start = int(query.get("continue", "0"))
        if start and self.expire:
            self.expire -= 1
            return _status(410, "The provided continue parameter is too old")
        end = start + min(self.page, int(query.get("limit", "0")) or self.page)
        metadata: dict[str, Any] = {"resourceVersion": "7"}
        if end < len(listed):
            metadata |= {"continue": str(end), "remainingItemCount": len(listed) - end}
        content: dict[str, Any] = {"kind": "List", "apiVersion": "v1", "metadata": metadata}
        content["items"] = listed[start:end]
        self.rewrite(content)
        return 200, content

    def kubeconfig(self, path: Path, *contexts: str, token: str = TOKEN) -> None:
        """Write a kubeconfig whose contexts all lead here."""
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "here", "cluster": {"server": self.url}}],
                    "users": [{"name": "robot", "user": {"token": token}}],
                    "contexts": [
                        {"name": name, "context": {"cluster": "here", "user": "robot"}}
                        for name in contexts
                    ],
                }
            )
        )


def _status(code: int, message: str) -> tuple[int, dict[str, Any]]:
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "code": code,
    }


@contextmanager
def kube_server(**how: Any) -> Iterator[KubeServer]:
    """A server, until the end of the block."""
    server = KubeServer(**how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, content = server.answer(self.path, self.headers.get("Authorization", ""))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        if server.tls:
            listener.socket = server.tls.wrap_socket(listener.socket, server_side=True)
        scheme = "https" if server.tls else "http"
        server.url = f"{scheme}://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def pod_spec(*images: str, **more: Any) -> dict[str, Any]:
    """A pod spec with a container for each image."""
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {"containers": containers, **more}


def template(*images: str) -> dict[str, Any]:
    """The ``spec`` of a workload."""
    return {"template": {"spec": pod_spec(*images)}}


def release(manifest: str, hooks: Sequence[str] = (), *, packed: bool = True) -> dict[str, Any]:
    """A secret as Helm 3 writes it, but its metadata."""
    content = json.dumps(
        {"name": "web", "manifest": manifest, "hooks": [{"manifest": hook} for hook in hooks]}
    ).encode()
    packed_content = gzip.compress(content) if packed else content
    data = base64.b64encode(base64.b64encode(packed_content)).decode()
    return {"type": "helm.sh/release.v1", "data": {"release": data}}
