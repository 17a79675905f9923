"""Turns the errors of a validation into problems with a place and plain words."""

from __future__ import annotations

from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from regbot.config.document import Document, Mark, Path, Problem, Scalar, shown
from regbot.config.schema import Place, keys, sections

_SYNONYMS = {
    "frequency": "interval",
    "every": "interval",
    "cron": "schedule",
    "password": "pass",
    "username": "user",
    "login": "user",
    "cert": "regcert",
    "cacert": "regcert",
    "ca": "regcert",
    "host": "registry",
    "url": "registry",
    "server": "registry",
    "credentials": "creds",
    "auth": "creds",
    "jobs": "scripts",
    "tasks": "scripts",
    "lua": "script",
    "path": "file",
    "scriptfile": "file",
    "environment": "env",
    "arguments": "args",
    "params": "args",
    "tz": "timezone",
    "ratelimit": "reqPerSec",
    "concurrency": "reqConcurrent",
    "insecure": "tls",
}
_OWNERS = {"registry": "a creds entry", "name": "a script"}


def explain(document: Document, error: ValidationError) -> list[Problem]:
    """Every error of a validation as a problem with its place."""
    return [_problem(document, detail) for detail in error.errors(include_url=False)]


def _problem(document: Document, error: ErrorDetails) -> Problem:
    path: Path = error["loc"]
    kind = error["type"]
    mark, node = document.find(path)
    if kind == "extra_forbidden":
        return Problem(document.key(path), _unknown_key(path))
    if kind == "missing":
        return Problem(mark, _missing(str(path[-1])))
    if kind == "mistake":
        return Problem(_within(document, mark, node, error), _named(path, error["ctx"]["what"]))
    if kind == "tuple_type":
        text = f"expected a list{_not_a_string(node)} (begin each entry with -)"
    else:
        text = f"expected a mapping of keys and values{_not_a_string(node)} (write key: value)"
    return Problem(mark, _named(path, text))


def _within(document: Document, mark: Mark, node: object, error: ErrorDetails) -> Mark:
    offset = error["ctx"]["offset"]
    if offset is None or not isinstance(node, Scalar):
        return mark
    return document.place(node, offset)


def _named(path: Path, text: str) -> str:
    """The text of a problem, after the key it belongs to."""
    names = [step for step in path if isinstance(step, str)]
    return f"{names[-1]}: {text}" if names else text


def _missing(key: str) -> str:
    return f"{key} is missing in {_OWNERS.get(key, 'this entry')} (add {key}: ...)"


def _not_a_string(node: object) -> str:
    return ", not a string" if isinstance(node, Scalar) and not node.is_null else ""


def _unknown_key(path: Path) -> str:
    key = str(path[-1])
    place = tuple(step for step in path[:-1] if isinstance(step, str))
    return f"unknown key {shown(key)} ({_advice(key, place)})"


def _advice(key: str, place: Place) -> str:
    known = {where: keys(section) for where, section in sections().items()}
    here = {_simple(name): name for name in known[place]}
    simple = _simple(key)
    synonym = _SYNONYMS.get(simple)
    if simple in here or synonym in known[place]:
        return f"did you mean {here.get(simple, synonym)}?"
    for where, names in known.items():
        if key in names:
            return f"it belongs under {'.'.join(where)}" if where else "it belongs at the top level"
    near = get_close_matches(simple, here, n=1, cutoff=0.6)
    if near:
        return f"did you mean {here[near[0]]}?"
    return f"the keys here are {', '.join(known[place])}; keys of your own begin with x-"


def _simple(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")
