"""Keeps the files and layout folders of scripts inside ``workDir``.

A path is checked after every ``..`` and symlink in it has been resolved.
"""

from __future__ import annotations

from pathlib import Path

from regbot.errors import InvalidValue

_HINT = "(set workDir in the config's defaults to a folder that contains it)"


def file_in(work_dir: Path, text: str) -> Path:
    """The file that a script names: relative to ``work_dir``, or absolute within it.

    The returned path has no symlinks. Raises InvalidValue for a path outside, an empty
    name, and a folder.
    """
    if not text.strip():
        raise InvalidValue("the name of a file is empty")
    if not text.isprintable():
        raise InvalidValue(f"file name {text!r} holds a control character")
    path = _inside(work_dir, work_dir / text, f"file name {text!r}")
    if text.endswith("/") or path.is_dir():
        raise InvalidValue(f"file name {text!r} is the name of a folder")
    return path


def folder_in(work_dir: Path, folder: Path) -> Path:
    """The layout folder that a script names: relative to the current folder, or absolute.

    The returned path has no symlinks. Raises InvalidValue if it is not in ``work_dir``.
    """
    return _inside(work_dir, folder, f"layout folder {str(folder)!r}")


def _inside(work_dir: Path, path: Path, what: str) -> Path:
    try:
        base, resolved = work_dir.resolve(), path.resolve()
        resolved.is_dir()  # says so now when the name can't be used
    except (OSError, RuntimeError, ValueError):
        raise InvalidValue(f"{what} can't be followed on this system") from None
    if not resolved.is_relative_to(base):
        raise InvalidValue(f"{what} leads out of workDir, {base} {_HINT}")
    return resolved
