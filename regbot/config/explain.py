"""What to do about a key that a section doesn't have, or a script that the config hasn't."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from regbot.config.document import Place, shown

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
    "notifications": "notify",
}


def unknown_key(key: str, place: Place, known: Mapping[Place, Sequence[str]]) -> str:
    """The problem of a key. ``known`` are the keys of each place, among them its own."""
    return f"unknown key {shown(key)} ({_advice(key, place, known)})"


def _advice(key: str, place: Place, known: Mapping[Place, Sequence[str]]) -> str:
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


def unknown_script(name: str, known: Iterable[str]) -> str:
    """The problem of a script that is named and isn't there."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the config has: {', '.join(names) or 'none'}"
    return f"no script is named {shown(name)} ({hint})"


def _simple(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")
