"""The images in any Kubernetes object: wherever a pod spec or a pod's status is in it.

A pod spec is known by its lists of containers, so it is found in pods, in the templates
of workloads and their revisions, and in objects of kinds that regbot knows nothing of.
"""

from __future__ import annotations

from collections.abc import Iterator

from regbot.values import dataclass

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, slots=True)
class PodImage:
    """An image of a container or an image volume.

    ``is_wanted``: it is what somebody wrote into a spec. Otherwise it is the id of what a
    runtime runs.
    """

    text: str
    is_wanted: bool = True


def pod_images(root: object) -> Iterator[PodImage]:
    """The images of all pod specs and statuses in an object. Blank ones are left out.

    Each part is looked at once, however often a YAML alias leads to it.
    """
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict | list) or id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            yield from (image for image in _of_object(part) if image.text.strip())
            waiting += part.values()
        else:
            waiting += part


def _of_object(part: dict[str, object]) -> Iterator[PodImage]:
    for key in _CONTAINERS:
        for container in _objects(part.get(key)):
            yield from _text(container.get("image"), is_wanted=True)
    for volume in _objects(part.get("volumes")):
        image = volume.get("image")
        if isinstance(image, dict):
            yield from _text(image.get("reference"), is_wanted=True)
    for key in _STATUSES:
        for status in _objects(part.get(key)):
            yield from _text(status.get("image"), is_wanted=True)
            yield from _text(status.get("imageID"), is_wanted=False)


def _objects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _text(value: object, *, is_wanted: bool) -> Iterator[PodImage]:
    if isinstance(value, str):
        yield PodImage(value, is_wanted)
