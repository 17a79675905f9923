"""What a Kubernetes cluster runs, and what it may run again without asking anybody.

Workloads come before what they make, so that a user is told of the deployment and not of
its pods. Those that are scaled to nothing count, and so does what a rollback leads to:
replica sets, revisions, and the releases of Helm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from regbot.errors import InvalidValue, Malformed, UseUnknown
from regbot.rules.in_use.cluster_api import ClusterApi
from regbot.rules.in_use.helm import TYPE, release_images
from regbot.rules.in_use.mention import Mention, Seen
from regbot.rules.in_use.pod_images import PodImage, pod_images
from regbot.rules.in_use.settings import Cluster, Kind

KINDS = (
    Kind("apps", "v1", "deployments", "deployment"),
    Kind("apps", "v1", "statefulsets", "stateful set"),
    Kind("apps", "v1", "daemonsets", "daemon set"),
    Kind("batch", "v1", "cronjobs", "cron job"),
    Kind("batch", "v1", "jobs", "job"),
    Kind("apps", "v1", "replicasets", "replica set"),
    Kind("apps", "v1", "controllerrevisions", "revision"),
    Kind("", "v1", "pods", "pod"),
)
_SECRETS = Kind("", "v1", "secrets", "Helm release")


def read_cluster(cluster: Cluster, api: ClusterApi) -> Seen:
    """All images of a cluster. Raises UseUnknown where any of it can't be read."""
    reading = _Reading(cluster.name)
    for kind in (*KINDS[:-1], *cluster.kinds, KINDS[-1]):
        objects = api.objects(kind)
        for item in objects:
            reading.add(kind, item, pod_images(item))
        if kind.path is not None:
            reading.add_from_path(kind, objects)
    if cluster.helm:
        for item in api.objects(_SECRETS, of_type=TYPE):
            reading.add(_SECRETS, item, release_images(item))
    return Seen(tuple(reading.mentions), tuple(reading.notes))


class _Reading:
    """What was found so far in one cluster, each image of a user once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.mentions: dict[Mention, None] = {}
        self.notes: dict[str, None] = {}

    def add(self, kind: Kind, item: Mapping[str, Any], images: Iterator[PodImage]) -> None:
        called = _called(kind, item)
        try:
            for image in images:
                self._mention(image, called)
        except Malformed as error:
            raise UseUnknown(f"{called}: {error}") from None

    def add_from_path(self, kind: Kind, objects: list[dict[str, Any]]) -> None:
        """Raises UseUnknown for a path that leads to no image in any object: it may be wrong."""
        path = kind.path
        if path is None:
            return
        found = [(item, value) for item in objects for value in path.values(item)]
        if objects and not found:
            why = f"there is nothing at {path.text} in any of its {kind.resource}"
            raise UseUnknown(f"{why} (is the path right?)")
        for item, value in found:
            if not isinstance(value, str):
                raise UseUnknown(f"{_called(kind, item)}: what is at {path.text} is no text")
            if value.strip():
                self._mention(PodImage(value), _called(kind, item))

    def _mention(self, image: PodImage, called: str) -> None:
        """Note an image. What no runtime could pull by its name is none that can run.

        Raises UseUnknown for a digest, or what a runtime says, that is not understood.
        """
        try:
            self.mentions[Mention.parse(image.text, f"{called} ({self._source})")] = None
        except InvalidValue as error:
            if not image.is_wanted or "@" in image.text:
                raise UseUnknown(f"{called}: {error}") from None
            self.notes[f"{called}: {error}, so nothing can run it"] = None


def _called(kind: Kind, item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    parts = [str(named[key]) for key in ("namespace", "name") if named.get(key)]
    return f"{kind.word} {'/'.join(parts)}"
