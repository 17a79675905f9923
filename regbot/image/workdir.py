"""Where scripts may have files: below one folder, wherever a name seems to lead."""

from __future__ import annotations

from pathlib import Path

from regbot.errors import InvalidValue


def safe_path(work_dir: Path, text: str) -> Path:
    """The file a script means by ``text``: relative to the folder, or absolute within it.

    What counts is where the name leads once every ``..`` and symlink is followed;
    the path that comes back has none of them. Raises InvalidValue for a name that
    leads out, an empty one, and a folder.
    """
    if not text.strip():
        raise InvalidValue("the name of a file is empty")
    if not text.isprintable():
        raise InvalidValue(f"file name {text!r} holds a control character")
    try:
        base = work_dir.resolve()
        found = (base / text).resolve()
        is_folder = text.endswith("/") or found.is_dir()
    except (OSError, RuntimeError, ValueError):
        raise InvalidValue(f"file name {text!r} can't be followed on this system") from None
    if not found.is_relative_to(base):
        raise InvalidValue(f"file name {text!r} leads out of workDir, {base}")
    if is_folder:
        raise InvalidValue(f"file name {text!r} is the name of a folder")
    return found
