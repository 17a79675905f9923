"""The reference page and the editor's meta file, from the bindings' own data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from regbot.lua.binding import Binding, Parameter
from regbot.lua.values import Field

Shapes = Mapping[str, Sequence[Field]]

_INTRO = """# What a script can call

Every function that a script can call, with its arguments and its result. `regbot lua-api` prints
the same, and [editors](editors.md) complete it. For whole scripts, see the
[cookbook](cookbook.md). A first one:

```lua
for _, name in ipairs(tag.ls("registry.example.org/team/app")) do
  log(name)
end
```

**How to read a heading.** `tag.delete(ref, [options])`, *changes*: an argument in brackets may be
left out. A function marked *changes* changes something, and in a dry run only records what it
would do. `-> string` is the type of the result.

**References.** An argument of the type reference is a text, such as
`registry.example.org/team/app:v1` or `ocidir://folder:v1`, or an object of `reference.new`. A
manifest, config or blob may be given too: it stands for the reference that it came from.

**Errors.** A function that fails raises a Lua error, which `pcall` catches. Its text has the line
of the config or Lua file, the function, the reference, and what went wrong:
`regbot.yml:7: tag.delete: registry.example.org/team/app:v1: ...`. An unknown name in a table of
options is an error. Arguments that a function doesn't have are ignored, as everywhere in Lua.

**The language.** Scripts are Lua 5.1. Where the installed Lua is LuaJIT, they also have `goto`.
They have Lua's base functions, `string`, `table`, `math`, `coroutine`, and of `os` the functions
`time`, `date`, `clock` and `difftime`. There is no `io` and no `debug`. Files, processes and the
network can be reached only with the functions below. The table `args` has the values under `args`
in the config.

**Limits.** A name, version or duration has at most 4096 characters. All arguments of a call
together have at most 256 KiB, and in addition a document of up to `blobLimit`: a manifest, a
config, content, JSON or a printed line.
"""

_OBJECTS = """
## Objects

Manifests and configs are read like tables. Each field has a Go name and a JSON name:
`image.config(ref).Architecture` is the same as `image.config(ref).architecture`.

- A map or array that is missing is an empty table, a missing text is empty, a missing number is 0.
  Only fields with "or nil" can be nil.
- Times are text as Go prints them, such as `2021-01-01 00:00:00 +0000 UTC`.
- A field can be set. This changes nothing before `export`.
- `tostring` of a manifest or config is indented JSON.
- Fields without a JSON name are groups of other fields, for scripts of the Go program:
  `image.config(ref).Platform.OS` is the same as `image.config(ref).OS`.
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
