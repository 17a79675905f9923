"""Which sources name the images in use, and how what they say is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from regbot.errors import InvalidValue
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.rules.in_use.json_path import JsonPath
    from regbot.rules.in_use.mention import Rewrite


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Kubernetes objects: ``resource`` is its plural, ``word`` what users call one.

    ``path`` leads to images beside those of the pod specs in an object.
    """

    group: str
    version: str
    resource: str
    word: str
    path: JsonPath | None = None

    @classmethod
    def parse(cls, text: str, path: JsonPath | None = None) -> Kind:
        """Read ``argoproj.io/v1alpha1/rollouts``, or ``v1/podtemplates``. Raises InvalidValue."""
        parts = text.strip().split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise InvalidValue(f"{text!r} is not group/version/resource")
        *group, version, resource = parts
        return cls("".join(group), version, resource, resource.removesuffix("s"), path)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kubernetes cluster: a context of ``kubeconfig``, or the one that regbot runs in.

    ``context`` is empty for the latter; ``kubeconfig`` None is the usual one. ``kinds`` are
    looked at beside the usual ones. ``helm``: Helm's releases are looked at too.
    """

    context: str = ""
    kubeconfig: Path | None = None
    kinds: tuple[Kind, ...] = ()
    helm: bool = True

    @property
    def name(self) -> str:
        """The source, as errors and users name it."""
        return f"context {self.context}" if self.context else "this cluster"


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A Compose file."""

    path: Path

    @property
    def name(self) -> str:
        """The source, as errors and users name it."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class ImageList:
    """A file with a reference on each line."""

    path: Path

    @property
    def name(self) -> str:
        """The source, as errors and users name it."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Command:
    """A program that prints a reference on each line. It runs in ``folder``."""

    arguments: tuple[str, ...]
    folder: Path

    @property
    def name(self) -> str:
        """The source, as errors and users name it; arguments may hold a secret."""
        return f"command {self.arguments[0]}"


Source = Cluster | ComposeFile | ImageList | Command


@dataclass(frozen=True, slots=True)
class InUseSettings:
    """All sources of a script, and what is done with what they say.

    An image that was seen within the last ``seen_within`` seconds counts too; None is this
    run alone. ``rewrites`` give images of mirrors their other names.
    """

    sources: tuple[Source, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    seen_within: float | None = None

    def over(self, other: InUseSettings) -> InUseSettings:
        """The sources and rewrites of both; the longer of the two windows."""
        windows = [window for window in (self.seen_within, other.seen_within) if window]
        return InUseSettings(
            tuple(dict.fromkeys((*self.sources, *other.sources))),
            tuple(dict.fromkeys((*self.rewrites, *other.rewrites))),
            max(windows, default=None),
        )
