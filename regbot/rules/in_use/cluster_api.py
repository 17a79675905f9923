"""The API of a Kubernetes cluster, of which lists alone are asked.

lightkube reads kubeconfig files, service accounts and certificates. It is imported when a
cluster is asked for. The lists are read here, since lightkube has no limit on their size
and asks on as long as there is another page.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from regbot.errors import RegbotError, UseUnknown
from regbot.rules.in_use.cluster_login import user_by
from regbot.rules.in_use.settings import Cluster, Kind
from regbot.stopping import Clock, Stop
from regbot.units import format_duration

if TYPE_CHECKING:
    from httpx2 import Client
    from lightkube.config.kubeconfig import SingleConfig

PAGE = 500
"""Objects asked for at once."""
TIMEOUT = 60.0
"""Seconds for all that is read of a cluster, as a command has."""
LARGEST = 64 * 1024 * 1024
"""Bytes of one answer."""
_TRIES = 4
_PAUSE = 0.2
"""Seconds before a list is asked for again, the first time; then four times as long each."""
_PASSING = frozenset({410, 429, 500, 502, 503, 504})
"""Statuses that may be others the next time; 410 is for a next page that came too late."""
_INSTALL = "pip install '.[kubernetes]'"

Value = TypeVar("Value")


class ClusterApi(Protocol):
    """Lists the objects of a cluster, in all its namespaces."""

    def objects(self, kind: Kind, *, of_type: str = "") -> list[dict[str, Any]]:
        """All objects of a kind; with ``of_type`` those whose field ``type`` is that.

        Raises UseUnknown where any of them can't be read.
        """
        ...


@contextmanager
def open_cluster(
    cluster: Cluster,
    environ: Mapping[str, str],
    stop: Stop,
    *,
    timeout: float = TIMEOUT,
    largest: int = LARGEST,
    clock: Clock = time.monotonic,
) -> Iterator[ClusterApi]:
    """The API of a cluster. Raises UseUnknown where it can't be reached or understood.

    All that is read has ``timeout`` seconds, and one answer has at most ``largest`` bytes.
    """
    deadline = clock() + timeout

    def check() -> None:
        stop.check()
        if clock() >= deadline:
            raise UseUnknown(f"it did not answer within {format_duration(timeout)}")

    try:
        from lightkube.config.client_adapter import Client, ConnectionParams
    except ImportError:
        why = f"Kubernetes needs a package that is not installed ({_INSTALL})"
        raise UseUnknown(why) from None
    with _mapped("its kubeconfig can't be used"):
        client = Client(_config(cluster, environ, stop), ConnectionParams())
    with client:
        yield _HttpApi(client, stop, check, largest)


class _HttpApi:
    """See ClusterApi. ``check`` raises the reason to end, if there is one."""

    def __init__(self, client: Client, stop: Stop, check: Callable[[], None], largest: int) -> None:
        self._client = client
        self._stop = stop
        self._check = check
        self._largest = largest

    def objects(self, kind: Kind, *, of_type: str = "") -> list[dict[str, Any]]:
        """A list that breaks off, or whose next page expired, is asked for from its start."""
        for tried in range(1, _TRIES + 1):
            try:
                with _mapped(f"its {kind.resource} can't be listed"):
                    return self._listed(kind, of_type)
            except _Passing as passing:
                if tried == _TRIES:
                    raise UseUnknown(str(passing)) from None
                self._stop.wait(_PAUSE * 4 ** (tried - 1))
        raise AssertionError

    def _listed(self, kind: Kind, of_type: str) -> list[dict[str, Any]]:
        """All pages of a list (Kubernetes API Concepts, "Retrieving large results sets")."""
        query = {"limit": str(PAGE), **({"fieldSelector": f"type={of_type}"} if of_type else {})}
        objects: list[dict[str, Any]] = []
        tokens: set[str] = set()
        while True:
            page = self._page(kind, query)
            objects += (_checked(item, dict) for item in _checked(page["items"], list))
            metadata = _checked(page.get("metadata") or {}, dict)
            token = _checked(metadata.get("continue") or "", str)
            if not token:
                return objects
            if token in tokens:
                raise UseUnknown(f"its {kind.resource} can't be listed: its pages have no end")
            tokens.add(token)
            query["continue"] = token

    def _page(self, kind: Kind, query: Mapping[str, str]) -> dict[str, Any]:
        root = f"apis/{kind.group}" if kind.group else "api"
        path = f"{root}/{kind.version}/{kind.resource}"
        self._check()
        content = bytearray()
        with self._client.stream("GET", path, params=query) as response:
            for part in response.iter_bytes():
                self._check()
                content += part
                if len(content) > self._largest:
                    limit = f"an answer has more than the limit of {self._largest} bytes"
                    raise UseUnknown(f"its {kind.resource} can't be listed: {limit}")
        if response.is_success:
            return _checked(json.loads(content), dict)
        status = response.status_code
        text = f"its {kind.resource} can't be listed: {status} {_message(content)}".rstrip()
        raise (_Passing if status in _PASSING else UseUnknown)(text)


def _checked(value: object, kind: type[Value]) -> Value:
    """The value, which has to be of a kind. Raises TypeError."""
    if not isinstance(value, kind):
        raise TypeError
    return value


def _message(content: bytes | bytearray) -> str:
    """What an answer of kind Status says; empty for any other."""
    try:
        message = _checked(json.loads(content), dict).get("message")
    except (ValueError, TypeError, RecursionError):
        return ""
    return message if isinstance(message, str) else ""


class _Passing(UseUnknown):
    """What may go better the next time."""


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    """Turn the errors of the libraries below into one that says what could not be done.

    They may hold a secret of the kubeconfig, and are not quoted.
    """
    from httpx2 import TransportError

    try:
        yield
    except RegbotError:
        raise
    except TransportError as error:
        raise _Passing(f"{what}: no answer ({type(error).__name__})") from None
    except Exception as error:  # noqa: BLE001 - of several libraries, and each stops deletes
        raise UseUnknown(f"{what} ({type(error).__name__}; does kubectl work?)") from None


def _config(cluster: Cluster, environ: Mapping[str, str], stop: Stop) -> SingleConfig:
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.config.models import User

    if not cluster.context:
        config = KubeConfig.from_service_account().get()
    else:
        config = _context(cluster.context, _kubeconfigs(cluster.kubeconfig, environ))
    if config is None:
        raise UseUnknown("its kubeconfig can't be used")
    user = config.user or User()
    if user.exec:
        user = user_by(user.exec, config.fname, environ, stop)
    return config._replace(user=user)


def _context(name: str, paths: list[Path]) -> SingleConfig | None:
    from lightkube.config.kubeconfig import KubeConfig

    for path in paths:
        if not path.is_file():
            continue
        with _mapped(f"{path} can't be read"):
            kubeconfig = KubeConfig.from_file(path)
        if name in kubeconfig.contexts:
            return kubeconfig.get(name)
    places = ", ".join(map(str, paths))
    raise UseUnknown(f"there is no such context in {places}")


def _kubeconfigs(path: Path | None, environ: Mapping[str, str]) -> list[Path]:
    if path is not None:
        return [path]
    listed = [name for name in environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    names = [Path(name) for name in listed] or [Path("~/.kube/config")]
    expanded = []
    for name in names:
        with suppress(RuntimeError):
            expanded.append(name.expanduser())
    return expanded
