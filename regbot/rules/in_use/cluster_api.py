"""The API of a Kubernetes cluster, of which lists alone are asked.

lightkube does the rest: kubeconfig files, service accounts, certificates. It is imported
when a cluster is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from regbot.errors import RegbotError, UseUnknown
from regbot.rules.in_use.cluster_login import user_by
from regbot.rules.in_use.settings import Cluster, Kind
from regbot.stopping import Stop

if TYPE_CHECKING:
    from lightkube import Client
    from lightkube.config.kubeconfig import SingleConfig

PAGE = 500
"""Objects asked for at once."""
_TRIES = 4
_PAUSE = 0.2
"""Seconds before a list is asked for again, the first time; then four times as long each."""
_PASSING = frozenset({410, 429, 500, 502, 503, 504})
"""Statuses that may be others the next time; 410 is for a next page that came too late."""
_INSTALL = "pip install 'regbot[kubernetes]'"


class ClusterApi(Protocol):
    """Lists the objects of a cluster, in all its namespaces."""

    def objects(self, kind: Kind, *, of_type: str = "") -> list[dict[str, Any]]:
        """All objects of a kind; with ``of_type`` those whose field ``type`` is that.

        Raises UseUnknown where any of them can't be read.
        """
        ...


@contextmanager
def open_cluster(cluster: Cluster, environ: Mapping[str, str], stop: Stop) -> Iterator[ClusterApi]:
    """The API of a cluster. Raises UseUnknown where it can't be reached or understood."""
    try:
        from lightkube import Client
    except ImportError:
        why = f"Kubernetes needs a package that is not installed ({_INSTALL})"
        raise UseUnknown(why) from None
    with _mapped("its kubeconfig can't be used"):
        client = Client(config=_config(cluster, environ, stop), trust_env=True)
    with closing(client):
        yield _LightkubeApi(client, stop)


class _LightkubeApi:
    """See ClusterApi."""

    def __init__(self, client: Client, stop: Stop) -> None:
        self._client = client
        self._stop = stop

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
        fields: Any = {"type": of_type} if of_type else None
        objects = []
        for item in self._client.list(_resource(kind), chunk_size=PAGE, fields=fields):
            self._stop.check()
            objects.append(dict(item))
        return objects


@cache
def _resource(kind: Kind) -> Any:  # noqa: ANN401 - a class that lightkube lists as plain objects
    from lightkube.generic_resource import GenericGlobalResource, create_api_info

    info = create_api_info(kind.group, kind.version, kind.word, kind.resource)
    return type(kind.resource, (GenericGlobalResource,), {"_api_info": info})


class _Passing(UseUnknown):
    """What may go better the next time."""


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    """Turn the errors of the libraries below into one that says what could not be done.

    An answer of the API is quoted. Anything else may hold a secret of the kubeconfig.
    """
    from httpx2 import HTTPStatusError, TransportError

    try:
        yield
    except RegbotError:
        raise
    except HTTPStatusError as error:
        status = error.response.status_code
        message = getattr(getattr(error, "status", None), "message", None) or ""
        text = f"{what}: {status} {message}".rstrip()
        raise (_Passing if status in _PASSING else UseUnknown)(text) from None
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
