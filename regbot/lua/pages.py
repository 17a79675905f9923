"""The reference page and the editor's meta file, from the bindings' own data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from regbot.lua.binding import Binding, Parameter
from regbot.lua.values import Field

Shapes = Mapping[str, Sequence[Field]]

_INTRO = """# What a script can call

Every function that a script can call, with its arguments and what it gives back. `regbot lua-api`
prints the same, and [editors](editors.md) complete it. Scripts that do something are in the
[cookbook](cookbook.md).

Scripts are Lua 5.1; where the installed Lua is LuaJIT they also have `goto`. From Lua itself
there are the base functions, `string`, `table`, `math`, `coroutine`, and of `os` the functions
`time`, `date`, `clock` and `difftime`. There is no `io`, no `debug`, and no way to files,
processes or the network except the functions below. `args` holds the script's `args:` from the
config.

A function that fails raises a Lua error that `pcall` catches. Its text has the line of the
config or Lua file, the function, the reference it was about, and what went wrong:
`regbot.yml:7: tag.delete: registry.example.org/team/app:v1: ...`. As everywhere in Lua, arguments
that a function has no parameter for are ignored; an unknown name in a table of options is an
error.

A reference is text, such as `registry.example.org/team/app:v1` or `ocidir://folder:v1`, or an
object: a reference, or a manifest, config or blob, which stand for the reference they came from.

A function marked *changes* only records what it would do in a dry run.

The arguments of a call are limited: a name, version or duration has at most 4096 characters, all
arguments together have 256 KiB, and on top of that a document (a manifest, a config, content, JSON
or a printed line) may be as long as `blobLimit`.
"""

_OBJECTS = """
## Objects

Manifests and configs read like tables, each field under its Go name and its JSON name. An absent
map or array is an empty table, an absent text is empty, an absent number is 0; what can be nil
is marked. Times are text in Go's form, such as `2021-01-01 00:00:00 +0000 UTC`. A field can be
set, which changes nothing until `export`. `tostring` of a manifest or config is indented JSON.
Fields without a JSON name are types that the Go program embeds, so that both
`image.config(ref).Platform.OS` and `image.config(ref).OS` answer.
"""

_CLASS_OF_SHAPE = "regbot.{}"
_PLAIN = {
    "string": "string",
    "integer": "integer",
    "boolean": "boolean",
    "time": "string?",
    "map": "table<string, any>",
}
_OBJECT_CLASSES = {
    "reference": "regbot.Reference",
    "manifest": "regbot.Manifest",
    "config": "regbot.Config",
    "blob": "regbot.Blob",
}


def markdown(bindings: Iterable[Binding], shapes: Shapes) -> str:
    """The reference as a Markdown page."""
    parts = [_INTRO]
    namespaces: dict[str, list[Binding]] = {}
    for binding in bindings:
        namespaces.setdefault(_namespace(binding), []).append(binding)
    for namespace, members in namespaces.items():
        parts.append(f"\n## {namespace}\n")
        parts.extend("\n" + "\n".join(_entry(binding)) + "\n" for binding in members)
    parts.append(_OBJECTS)
    for name, fields in shapes.items():
        rows = (
            f"| `{go}` | {f'`{json}`' if json else ''} | {_words(kind)} |"
            for go, json, kind in fields
        )
        parts.append(f"\n### {name}\n\n| Go | JSON | type |\n|---|---|---|\n" + "\n".join(rows))
        parts.append("\n")
    return "".join(parts)


def terminal(bindings: Iterable[Binding]) -> str:
    """The reference as plain text."""
    return "\n".join("\n".join(_entry(binding, plain=True)) + "\n" for binding in bindings)


def meta(bindings: Iterable[Binding], shapes: Shapes) -> str:
    """A LuaLS ``---@meta`` file: completion and types for editors."""
    known = tuple(bindings)
    lines = ["---@meta", "-- Made from regbot's own declarations; for editors, never run.", ""]
    for name, fields in shapes.items():
        lines += [f"---@class {_CLASS_OF_SHAPE.format(f'{name}Fields')}", *_fields(fields), ""]
    for kind, name in _OBJECT_CLASSES.items():
        parents = {"manifest": " : regbot.ManifestFields, regbot.IndexFields"}
        parents["config"] = " : regbot.ImageFields"
        lines += [f"---@class {name}{parents.get(kind, '')}", f"local {kind}_object = {{}}", ""]
    lines += ["---@type table<string, any>", "args = {}", ""]
    lines += [f"{name} = {{}}" for name in sorted({_table(b) for b in known} - {""})]
    for binding in known:
        for name in binding.all_names:
            lines += ["", *_function(binding, name, binding.parameters)]
        for kind in binding.method_of:
            name = f"{kind}_object:{binding.method}"
            lines += ["", *_function(binding, name, binding.parameters[1:])]
    return "\n".join(lines) + "\n"


def signature(binding: Binding, name: str, parameters: Sequence[Parameter] | None = None) -> str:
    """How a call is written, under a name of the binding; a method has fewer parameters."""
    given = binding.parameters if parameters is None else parameters
    names = [f"[{p.name}]" if p.optional else p.name for p in given]
    return f"{name}({', '.join([*names, *(['[options]'] if binding.options else [])])})"


def _namespace(binding: Binding) -> str:
    return binding.name.partition(".")[0]


def _table(binding: Binding) -> str:
    return binding.name.rpartition(".")[0]


def _entry(binding: Binding, *, plain: bool = False) -> Iterator[str]:
    mark = "" if plain else "`"
    result = f" -> {binding.result}" if binding.result else ""
    changes = ", changes" if plain else ", *changes*"
    head = f"{mark}{signature(binding, binding.name)}{result}{mark}"
    head += changes if binding.changes else ""
    yield head if plain else f"### {head}"
    yield ""
    yield binding.doc
    others = [f"{mark}{name}{mark}" for name in binding.names]
    others += [f"{mark}{kind}:{binding.method}(){mark}" for kind in binding.method_of]
    if others:
        yield ""
        yield f"Also {', '.join(others)}."
    if binding.parameters or binding.options:
        yield ""
    yield from (_bullet(parameter, mark) for parameter in binding.parameters)
    if binding.options:
        yield f"- {mark}options{mark}: table, optional"
        yield from ("  " + _bullet(option, mark) for option in binding.options)


def _bullet(parameter: Parameter, mark: str) -> str:
    optional = ", optional" if parameter.optional else ""
    return f"- {mark}{parameter.name}{mark} ({parameter.type.name}{optional}): {parameter.doc}"


def _words(kind: str) -> str:
    if kind.startswith("[]"):
        return f"array of {_words(kind[2:])}"
    if kind == "time":
        return "time or nil"
    return f"{kind[:-1]} or nil" if kind.endswith("?") else kind


def _lua_type(kind: str) -> str:
    if kind.startswith("[]"):
        return f"{_lua_type(kind[2:])}[]"
    optional = "?" if kind.endswith("?") else ""
    name = kind.removesuffix("?")
    return _PLAIN.get(name, _CLASS_OF_SHAPE.format(f"{name}Fields")) + optional


def _fields(fields: Sequence[Field]) -> Iterator[str]:
    for go, json, kind in fields:
        for name in dict.fromkeys((go, json or go)):
            key = name if re.fullmatch(r"[A-Za-z_]\w*", name) else f'["{name}"]'
            yield f"---@field {key} {_lua_type(kind)}"


def _function(binding: Binding, name: str, parameters: Sequence[Parameter]) -> Iterator[str]:
    yield f"---{binding.doc}"
    for parameter in parameters:
        optional = "?" if parameter.optional else ""
        yield f"---@param {parameter.name}{optional} {parameter.type.lua} {parameter.doc}"
    names = [parameter.name for parameter in parameters]
    if binding.options:
        keys = ", ".join(f"{option.name}?: {option.type.lua}" for option in binding.options)
        yield f"---@param options? {{{keys}}}"
        names.append("options")
    if binding.result:
        yield f"---@return {binding.result}"
    yield f"function {name}({', '.join(names)}) end"
