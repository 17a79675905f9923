"""Platforms: parse, print, and find the best match.

The text form is ``os/arch[/variant][,osver=10.0.17763.4974]``. OCI image spec, "Image
Index" > ``platform``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from regbot.errors import InvalidValue
from regbot.machine import Machine, this_machine
from regbot.values import dataclass

Fit = tuple[int, ...]
"""How well an image fits: the larger the better."""

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
_KNOWN_ARCHITECTURES = frozenset(
    [
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc",
        "ppc64",
        "ppc64le",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ]
).union(_ARCHITECTURES)
_OPERATING_SYSTEMS = {"macos": "darwin"}
_USUAL_VARIANT = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_VARIANT_NUMBER = re.compile(r"v?([0-9]{1,2})")
_AMD64_LEVELS = (
    frozenset(["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"]),
    frozenset(["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]),
    frozenset(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
)
"""What Linux calls the features that x86-64-v2, -v3 and -v4 each add (System V ABI)."""
_BUILD = 3
"""Parts of a Windows version that make a build: an image runs on another patch of it."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform that an image runs on. Empty fields are unspecified."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str, *, local: Platform | None = None) -> Platform:
        """Read the text form.

        ``local`` is the platform of this machine, by default looked up. It is what the
        text ``local`` means, and what fills in where only an architecture or only an
        operating system is given. Raises InvalidValue.
        """
        here = local or cls.local()
        name, *options = (part.strip() for part in text.split(","))
        platform = here if name == "local" else cls._from_parts(text, name.lower().split("/"), here)
        for option in options:
            key, _, value = option.partition("=")
            if key not in ("osver", "osversion") or not value:
                raise InvalidValue(
                    f"platform {text!r}: option {option!r} is not osver=<version of the OS>"
                )
            platform = replace(platform, os_version=value)
        return platform

    @classmethod
    def _from_parts(cls, text: str, parts: list[str], here: Platform) -> Platform:
        alone = parts[0] if len(parts) == 1 else ""
        if alone == here.os or _ARCHITECTURES.get(alone, alone) == here.architecture:
            return here
        if alone in _KNOWN_ARCHITECTURES:
            parts = [here.os, alone]
        if len(parts) > 1:
            parts = [parts[0], *_ARCHITECTURES.get(parts[1], parts[1]).split("/"), *parts[2:]]
        if not 2 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
            raise InvalidValue(
                f"platform {text!r} is not os/arch[/variant][,osver=<version>],"
                " an architecture such as arm64, or local"
            )
        platform = cls(_OPERATING_SYSTEMS.get(parts[0], parts[0]), *parts[1:])
        if platform.os == "windows" and platform.fit(replace(here, os_version="")) is not None:
            return replace(platform, os_version=here.os_version)
        return platform

    @classmethod
    def local(cls) -> Platform:
        """The platform of this machine."""
        return cls.of(this_machine())

    @classmethod
    def of(cls, machine: Machine) -> Platform:
        """The best platform whose images a machine can run. On Windows it has a version.

        There are hardly any images for darwin, so for darwin it is linux.
        """
        processor = machine.processor.lower() or "amd64"
        architecture, _, variant = _ARCHITECTURES.get(processor, processor).partition("/")
        if architecture == "amd64":
            variant = _amd64_variant(machine.features)
        if machine.system == "Windows":
            return cls("windows", architecture, variant, machine.version)
        return cls("linux", architecture, variant)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Platform:
        """Read the ``platform`` object of a descriptor, or the fields of an image config."""

        def text(key: str) -> str:
            value = data.get(key)
            return value if isinstance(value, str) else ""

        return cls(text("os"), text("architecture"), text("variant"), text("os.version"))

    def __str__(self) -> str:
        name = "/".join(part for part in (self.os, self.architecture, self.variant) if part)
        return f"{name},osver={self.os_version}" if self.os_version else name

    def fit(self, wanted: Platform) -> Fit | None:
        """How well an image of this platform fits where ``wanted`` is asked for.

        None is not at all. The variant asked for comes first, then the highest below it;
        the OS version asked for, then the newest of its build, or the newest of all where
        none is asked for, then an image that says no OS version.
        """
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return None
        variant, version = self._variant_fit(wanted), self._version_fit(wanted)
        return None if variant is None or version is None else (*variant, *version)

    def _variant_fit(self, wanted: Platform) -> Fit | None:
        usual = _USUAL_VARIANT.get(self.architecture, "")
        image, asked = self.variant or usual, wanted.variant or usual
        image_number, asked_number = _variant_number(image), _variant_number(asked)
        if image == asked or (image_number and image_number == asked_number):
            return 1, image_number
        if not asked or not image or 0 < image_number < asked_number:
            return 0, image_number
        return None

    def _version_fit(self, wanted: Platform) -> Fit | None:
        image, asked = _version(self.os_version), _version(wanted.os_version)
        if image and asked and image[:_BUILD] != asked[:_BUILD]:
            return None
        return int(bool(image) and image == asked), *image


def _variant_number(variant: str) -> int:
    """The number of a variant such as v7; 0 of any other."""
    match = _VARIANT_NUMBER.fullmatch(variant)
    return int(match[1]) if match else 0


def _amd64_variant(features: frozenset[str]) -> str:
    """The highest level of x86-64 that the features allow; empty for the first."""
    level = 1
    for added in _AMD64_LEVELS:
        if not added <= features:
            break
        level += 1
    return f"v{level}" if level > 1 else ""


def _version(text: str) -> tuple[int, ...]:
    """A version as a tuple of numbers, to compare. A part that isn't a number is lowest."""
    parts = text.split(".") if text else []
    return tuple(int(part) if part.isdecimal() and len(part) < 10 else -1 for part in parts)
