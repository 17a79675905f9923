"""The kinds of values that come from outside the file: other files, folders, templates."""

from __future__ import annotations

from pathlib import Path

from regbot.config.document import Mistake, shown
from regbot.config.fields import clean_text_of, require_clean, text_of
from regbot.config.section import Value
from regbot.config.shapes import ANY_TEXT, shaped, text
from regbot.config.template import render
from regbot.errors import InvalidValue
from regbot.files import open_regular
from regbot.journal.place import State, state_of
from regbot.values import dataclass

_MAX_SCRIPT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A Lua file: its path, and its bytes."""

    path: Path
    content: bytes


@shaped(ANY_TEXT)
def rendered(value: Value) -> str:
    """The text that a template gives."""
    reader = value.reader
    return require_clean(render(clean_text_of(value), reader.environ, reader.files.append))


@shaped(ANY_TEXT)
def module_folder_of(value: Value) -> Path:
    """A folder of Lua modules."""
    return _folder(clean_text_of(value), value.reader.folder)


@shaped(ANY_TEXT)
def work_folder_of(value: Value) -> Path:
    """The folder that scripts have their files in."""
    return _folder(clean_text_of(value), Path())


def _folder(name: str, start: Path) -> Path:
    path = start / name
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        raise Mistake(f"there is no folder {shown(name)} (create it, or name another)")
    return path


@shaped(text(pattern=r"\S"))
def own_folder_of(value: Value) -> Path:
    """A folder of regbot's own, which is created when it is needed."""
    text = text_of(value).strip()
    if not text or "\0" in text:
        raise Mistake("the folder's name is empty (name a folder, or leave the key out)")
    return value.reader.folder / Path(text).expanduser()


@shaped(ANY_TEXT)
def own_state_of(value: Value) -> State:
    """A folder of regbot's own, or the URL of a database. A template may give either."""
    text = rendered(value).strip()
    if not text:
        raise Mistake("it is empty (name a folder or a URL, or leave the key out)")
    try:
        return state_of(text, value.reader.folder)
    except InvalidValue as error:
        raise Mistake(f"it {error}") from None


@shaped(ANY_TEXT)
def script_file_of(value: Value) -> ScriptFile:
    """A Lua file that the config names."""
    name = clean_text_of(value)
    path = value.reader.folder / name
    value.reader.files.append(path)
    try:
        with open_regular(path) as stream:
            content = stream.read(_MAX_SCRIPT + 1)
    except FileNotFoundError:
        raise Mistake(
            f"there is no file {shown(name)} (its name is relative to the folder of the config)"
        ) from None
    except OSError as error:
        raise Mistake(f"can't read {shown(name)}: {error.strerror} (name a Lua file)") from None
    if len(content) > _MAX_SCRIPT:
        raise Mistake(f"{shown(name)} is larger than 16MiB (is it the right file?)")
    return ScriptFile(path, content)
