"""The kinds of values that come from outside the file: other files, folders, templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, PlainValidator, ValidationInfo

from regbot.config.document import shown
from regbot.config.fields import clean_text_of, mistake, require_clean, text_of, unique
from regbot.config.template import TemplateMistake, render
from regbot.files import open_regular

_MAX_SCRIPT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A Lua file: its name as the config writes it, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Context:
    """What values are read with: the environment, and the folder of the config."""

    environ: Mapping[str, str]
    folder: Path


def context_of(info: ValidationInfo) -> Context:
    """The context that the schema was given."""
    if not isinstance(info.context, Context):
        raise TypeError("the schema is validated with a Context")
    return info.context


def rendered(value: object, info: ValidationInfo) -> str:
    """The text that a template gives."""
    text = clean_text_of(value)
    try:
        return require_clean(render(text, context_of(info).environ))
    except TemplateMistake as error:
        raise mistake(str(error), error.offset) from None


def _module_folder(value: object, info: ValidationInfo) -> Path:
    return _folder(clean_text_of(value), context_of(info).folder)


def _work_folder(value: object) -> Path:
    return _folder(clean_text_of(value), Path())


def _folder(name: str, start: Path) -> Path:
    path = start / name
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        raise mistake(f"there is no folder {shown(name)} (create it, or name another)")
    return path


def _own_folder(value: object, info: ValidationInfo) -> Path:
    text = text_of(value).strip()
    if not text or "\0" in text:
        raise mistake("the folder's name is empty (name a folder, or leave the key out)")
    return context_of(info).folder / Path(text).expanduser()


def _script_file(value: object, info: ValidationInfo) -> ScriptFile:
    name = clean_text_of(value)
    try:
        with open_regular(context_of(info).folder / name) as stream:
            content = stream.read(_MAX_SCRIPT + 1)
    except FileNotFoundError:
        what = f"there is no file {shown(name)}"
        raise mistake(f"{what} (its name is relative to the folder of the config)") from None
    except OSError as error:
        raise mistake(f"can't read {shown(name)}: {error.strerror} (name a Lua file)") from None
    if len(content) > _MAX_SCRIPT:
        raise mistake(f"{shown(name)} is larger than 16MiB (is it the right file?)")
    return ScriptFile(name, content)


Template = Annotated[str, PlainValidator(rendered)]
WorkFolder = Annotated[Path, PlainValidator(_work_folder)]
OwnFolder = Annotated[Path, PlainValidator(_own_folder)]
"""A folder of regbot's own, which is created when it is needed."""
Source = Annotated[ScriptFile, PlainValidator(_script_file)]

_ModuleFolder = Annotated[Path, PlainValidator(_module_folder)]
ModuleFolders = Annotated[tuple[_ModuleFolder, ...], AfterValidator(unique)]
