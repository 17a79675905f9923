"""Time zones: by name, and that of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path

from regbot.errors import InvalidValue
from regbot.files import open_regular

LOCAL_TIME = Path("/etc/localtime")

_FOLDER = "/zoneinfo/"


def parse_timezone(text: str) -> tzinfo:
    """The zone of a name such as Europe/Paris. Raises InvalidValue."""
    if text == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(text)
    except (OSError, ValueError, KeyError):
        shown = repr(text if len(text) <= 60 else text[:57] + "...")
        raise InvalidValue(
            f"{shown} is not a known time zone (write one such as UTC or Europe/Paris)"
        ) from None


def local_timezone(environ: Mapping[str, str], local_time: Path = LOCAL_TIME) -> tzinfo:
    """The time zone of this machine, from ``TZ``, else ``/etc/localtime``, else UTC.

    ``TZ`` is the name of a zone or the path of its file, as for the Go program; with any
    other value it is UTC. ``str`` of the zone is its name, or ``local`` if it has none.
    """
    name = environ.get("TZ")
    if name is None:
        return _from_file(local_time)
    name = name.removeprefix(":")
    if name.startswith("/"):
        return _from_file(Path(name))
    try:
        return parse_timezone(name)
    except InvalidValue:
        return UTC


def _from_file(path: Path) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        place = str(path.resolve())
        with open_regular(path) as file:
            return ZoneInfo.from_file(file, key=place.partition(_FOLDER)[2] or "local")
    except (OSError, RuntimeError, ValueError):
        return UTC
