"""Platforms of images: parse, print, and pick the one that fits.

Text form: ``os/arch[/variant][,osver=10.0.17763.4974]``; OCI image spec, "Image
Index" > ``platform``.
"""

from __future__ import annotations

import platform as host
import re
from collections.abc import Mapping
from dataclasses import dataclass

from regbot.errors import InvalidValue

_PART = re.compile(r"[a-z0-9_.-]+")
_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm/v7",
    "armel": "arm/v6",
    "armv7l": "arm/v7",
    "armv6l": "arm/v6",
    "i386": "386",
    "i686": "386",
}
_OPERATING_SYSTEMS = {"macos": "darwin"}
_USUAL_VARIANT = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_RUNS_OLDER_VARIANTS = frozenset({"arm", "amd64"})
_VARIANT_NUMBER = re.compile(r"v([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class Platform:
    """Where an image runs. Empty text means not said."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read the text form; ``local`` is this machine. Raises InvalidValue."""
        name, *options = (part.strip() for part in text.split(","))
        base = cls.local() if name == "local" else cls._from_parts(text, name.lower().split("/"))
        os_version = ""
        for option in options:
            key, _, value = option.partition("=")
            if key not in ("osver", "osversion") or not value:
                raise InvalidValue(
                    f"platform {text!r}: option {option!r} is not osver=<version of the OS>"
                )
            os_version = value
        return cls(base.os, base.architecture, base.variant, os_version)

    @classmethod
    def _from_parts(cls, text: str, parts: list[str]) -> Platform:
        if len(parts) > 1:
            parts = [parts[0], *_ARCHITECTURES.get(parts[1], parts[1]).split("/"), *parts[2:]]
        if not 2 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
            raise InvalidValue(f"platform {text!r} is not os/arch[/variant][,osver=<version>]")
        return cls(_OPERATING_SYSTEMS.get(parts[0], parts[0]), *parts[1:])

    @classmethod
    def local(cls) -> Platform:
        """The platform of this machine; images for darwin don't exist, so linux there."""
        system = host.system().lower()
        machine = host.machine().lower()
        parts = ["windows" if system == "windows" else "linux"]
        return cls._from_parts(machine, [*parts, machine or "amd64"])

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Platform:
        """Read the ``platform`` object of a descriptor, or an image config's own fields."""

        def text(key: str) -> str:
            value = data.get(key)
            return value if isinstance(value, str) else ""

        return cls(text("os"), text("architecture"), text("variant"), text("os.version"))

    def __str__(self) -> str:
        name = "/".join(part for part in (self.os, self.architecture, self.variant) if part)
        return f"{name},osver={self.os_version}" if self.os_version else name

    def suits(self, wanted: Platform) -> int:
        """How well an image of this platform suits who wants ``wanted``.

        0 is not at all, more is better: the variant asked for beats an older one
        that still runs; the OS version asked for beats another of its build, and
        that one an image that says no OS version.
        """
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return 0
        usual = _USUAL_VARIANT.get(self.architecture, "")
        age = _age(self.variant or usual, wanted.variant or usual)
        if age is None or (age > 0 and self.architecture not in _RUNS_OLDER_VARIANTS):
            return 0
        score = 200 - age
        if not wanted.os_version or not self.os_version:
            return score
        if self.os_version == wanted.os_version:
            return score + 400
        same_build = self.os_version.rpartition(".")[0] == wanted.os_version.rpartition(".")[0]
        return score + 200 if same_build else 0


def _age(own: str, asked: str) -> int | None:
    """How many versions a variant is behind the one asked for; None when it isn't."""
    if own == asked:
        return 0
    old, new = _VARIANT_NUMBER.fullmatch(own), _VARIANT_NUMBER.fullmatch(asked)
    behind = int(new[1]) - int(old[1]) if old and new else 0
    return behind if behind > 0 else None
