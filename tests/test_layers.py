"""Imports inside regbot point one way, and a library stays in the room made for it.

The two tables are the rule. A room is a module or a package of regbot, the longest
name that fits; it may import what it rests on, what that rests on, and itself.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from vulture import Vulture

from regbot.cli.commands import SECTIONS

RESTS_ON: dict[str, tuple[str, ...]] = {
    "": ("client",),
    "version": (),
    "values": (),
    "redaction": (),
    "errors": ("redaction", "values"),
    "events": ("redaction", "values"),
    "units": ("errors",),
    "stopping": ("units",),
    "files": ("errors",),
    "programs": ("stopping",),
    "machine": ("values",),
    "workdir": ("errors",),
    "oci": ("units", "stopping", "events", "version", "machine"),
    "http.hosts": ("oci",),
    "http.urls": ("errors",),
    "http": ("http.hosts", "http.urls", "files", "programs"),
    "store": ("http", "workdir"),
    "image.options": ("oci",),
    "image": ("store", "image.options"),
    "sync.rules": ("image.options",),
    "sync": ("sync.rules",),
    "rules": ("image", "rules.policy", "plan.uses"),
    "plan.guard": ("oci",),
    "plan.uses": ("oci",),
    "plan": ("image", "plan.guard", "plan.uses"),
    "journal": ("journal.place", "plan", "rules.in_use.sightings"),
    "report": ("plan",),
    "lua.finding": ("values",),
    "lua.modules": ("files",),
    "lua": ("units", "stopping", "events", "lua.finding", "lua.modules"),
    "lua.api.names": ("lua", "oci"),
    "lua.api.objects": ("lua.api.names",),
    "lua.api.reference": ("lua.api.names",),
    "lua.api.digest": ("lua", "oci"),
    "lua.api.export": ("lua.api.objects",),
    "lua.api.semver": ("lua", "oci"),
    "lua.api.json": ("lua",),
    "lua.api.time": ("lua",),
    "lua.api.parallel": ("lua",),
    "lua.api": (
        *("plan", "rules", "config", "files", "lua.api.reference", "lua.api.export"),
        "lua.api.digest",
        *("lua.api.semver", "lua.api.json", "lua.api.time"),
        "lua.api.parallel",
    ),
    "run.cron": ("errors",),
    "run.zones": ("files",),
    "run.schedule": ("units", "run.cron", "run.zones"),
    "rules.policy": ("oci",),
    "rules.in_use.json_path": ("errors",),
    "rules.in_use.mention": ("plan.uses",),
    "rules.in_use.settings": ("rules.in_use.json_path", "rules.in_use.mention"),
    "rules.in_use.sightings": ("rules.in_use.mention", "files"),
    "rules.in_use": ("rules.in_use.settings", "rules.in_use.sightings", "programs"),
    "notify.settings": ("http.hosts",),
    "notify.signing": ("errors",),
    "notify.notification": ("notify.settings",),
    "notify.template": ("notify.notification",),
    "notify": ("run", "notify.template", "notify.signing"),
    "journal.place": ("http.hosts",),
    "config": (
        "http.hosts",
        "journal.place",
        "http.urls",
        "notify.template",
        "notify.signing",
        "run.schedule",
        "plan.guard",
        "rules.policy",
        "sync.rules",
        "rules.in_use.settings",
        "files",
        "lua",
    ),
    "run.limits": ("journal",),
    "run": (
        "run.limits",
        "rules",
        "sync",
        "rules.in_use",
        "lua.api",
        "journal",
        "report",
        "config",
    ),
    "arguments": ("config", "plan"),
    "client": ("arguments", "run"),
    "testing": ("run",),
    "proposal": ("run", "testing"),
    "serve.address": ("errors", "values"),
    "serve.families": ("values",),
    "serve": ("run", "serve.address", "serve.families"),
    "cli": ("run", "notify", "testing", "proposal", "serve"),
}

LIBRARIES: dict[str, tuple[str, ...]] = {
    "requests": ("http.connections", "http.wire"),
    "urllib3": ("http.connections", "http.framing", "http.wire"),
    "psycopg": ("journal.postgres",),
    "psycopg_pool": (),
    "procrastinate": ("run.cluster.queue",),
    "zstandard": ("image.compression",),
    "lupa": ("lua.runtime", "lua.worker"),
    "lightkube": ("rules.in_use.cluster_api", "rules.in_use.cluster_login"),
    "httpx2": ("rules.in_use.cluster_api",),
    "regex": ("oci.patterns",),
    "bottle": (
        "serve.answers",
        "serve.app",
        "serve.asking",
        "serve.health",
        "serve.metrics",
        "serve.pages",
        "serve.plans",
        "serve.streams",
    ),
    "prometheus_client": ("serve.metrics",),
    "waitress": ("serve.listening",),
    "apprise": ("notify.by_apprise",),
    "botocore": ("http.ecr",),
    "google": ("http.gcr",),
    "tree_sitter": ("lua.check.tree",),
    "tree_sitter_lua": ("lua.check.tree",),
}

PACKAGE = Path(__file__).parents[1] / "regbot"

UNCALLED: dict[str, str] = {
    "tag_delete": "of the library",
    "manifest_delete": "of the library",
    "manifest_put": "of the library",
    "image_copy": "of the library",
    "image_delete": "of the library",
    "blob_put": "of the library",
    "retention_decide": "of the library",
    "api_opts": "config.build reads it by its name",
    "default_map": "click reads it",
    "shell_complete": "click calls it",
    "format_commands": "click calls it",
    "get_missing_message": "click calls it",
    "cache_count": "read for regsync's sake",
    "cache_time": "read for regsync's sake",
    "referrer_slow": "read for regsync's sake",
    "cert_verify": "requests calls it",
    "pool_classes_by_scheme": "urllib3 reads it",
    "isclosed": "urllib3 calls it",
    "QueueCls": "urllib3 reads it",
    "qsize": "urllib3 calls it",
    "on_message_begin": "httptools calls it",
    "on_header": "httptools calls it",
    "on_headers_complete": "httptools calls it",
    "on_body": "httptools calls it",
    "on_message_complete": "httptools calls it",
    "readinto": "io calls it",
    "mode": "tarfile reads it",
    "loader": "jinja2 reads it",
    "did": "a template reads it",
    "default_error_handler": "bottle calls it",
    "catchall": "bottle reads it",
    "channel_class": "waitress reads it",
    "error_task_class": "waitress reads it",
    "parser_class": "waitress reads it",
    "maintenance": "waitress calls it",
    "data_received": "asyncio calls it",
    "eof_received": "asyncio calls it",
    "connection_lost": "asyncio calls it",
    "pause_writing": "asyncio calls it",
    "resume_writing": "asyncio calls it",
}
"""Public names that nothing in regbot or scripts/ uses, and who does."""


@dataclass(frozen=True, slots=True)
class Import:
    line: int
    target: str


def reachable(room: str) -> set[str]:
    """The room, and all it stands on."""
    return {room}.union(*(reachable(below) for below in RESTS_ON[room]))


def room_of(module: str) -> str | None:
    fitting = [room for room in RESTS_ON if f"{module}.".startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


def imports_of(source: str, module: str, *, is_package: bool) -> Iterator[Import]:
    """Every import anywhere in a file, late ones and those for type checkers too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = f"regbot.{module}".split(".")
                kept = parts[: len(parts) - node.level + is_package]
                origin = ".".join([*kept, origin] if origin else kept)
            yield from (Import(node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def problem_with(target: str, module: str) -> str | None:
    if target == "dataclasses.dataclass" and module != "values":
        return "only values may import it: its own is quicker to make"
    top, _, inner = target.partition(".")
    if top in LIBRARIES and module not in LIBRARIES[top]:
        return f"only {', '.join(LIBRARIES[top])} may import {top}"
    if top != "regbot":
        return None
    own, other = room_of(module), room_of(inner)
    if own is None:
        return f"room {module} is missing from RESTS_ON in tests/test_layers.py"
    allowed = reachable(own)
    if other in allowed:
        return None
    return f"{own} may import {', '.join(sorted(allowed))}"


def violations(source: str, module: str, where: str, *, is_package: bool = False) -> list[str]:
    return [
        f"{where}:{found.line}: imports {found.target}, but {problem}"
        for found in imports_of(source, module, is_package=is_package)
        if (problem := problem_with(found.target, module))
    ]


def violations_of_package(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).with_suffix("")
        is_package = inside.name == "__init__"
        module = ".".join(inside.parent.parts if is_package else inside.parts)
        where = str(path.relative_to(package.parent))
        yield from violations(
            path.read_text(encoding="utf-8"), module, where, is_package=is_package
        )


def test_regbot_keeps_to_its_layers():
    found = list(violations_of_package(PACKAGE))
    assert not found, "\n" + "\n".join(found)


def has_files(package: Path, room: str) -> bool:
    place = package / room.replace(".", "/")
    return place.with_suffix(".py").is_file() or any(
        path.name != "__init__.py" for path in place.rglob("*.py")
    )


def uncalled(*folders: Path) -> set[str]:
    """The public names that nothing in the folders uses."""
    vulture = Vulture()
    vulture.scavenge(folders)
    return {
        item.name
        for item in vulture.get_unused_code()
        if not item.name.startswith("_") and item.typ != "import" and item.confidence < 100
    }


def test_every_room_has_a_file():
    assert [room for room in RESTS_ON if room and not has_files(PACKAGE, room)] == []


def test_every_public_name_has_a_caller():
    """A name that only tests use is there for nobody. Commands are called by their names."""
    commands = {name.replace("-", "_") for names in SECTIONS.values() for name in names}
    assert uncalled(PACKAGE, PACKAGE.parent / "scripts") - commands == UNCALLED.keys()


def test_what_nobody_calls_is_found(tmp_path):
    (tmp_path / "some.py").write_text(
        "def used(): ...\ndef unused(): ...\nclass Kept:\n    def lost(self): ...\nused()\nKept()\n"
    )
    assert uncalled(tmp_path) == {"unused", "lost"}
    assert not has_files(tmp_path, "attic")
    assert has_files(tmp_path, "some")


def test_no_room_rests_on_itself():
    order = list(TopologicalSorter(RESTS_ON).static_order())
    assert order.index("errors") < order.index("oci") < order.index("cli")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("oci.manifest", "from regbot.http.exchange import Request"),
        ("oci.manifest", "from regbot import store"),
        ("oci.manifest", "from ..store import protocol"),
        ("oci.manifest", "def late():\n    import regbot.store.remote"),
        ("errors", "from regbot.units import parse_duration"),
        ("store.remote", "if TYPE_CHECKING:\n    from regbot.plan.action import Action"),
        ("plan.executor", "from regbot.lua.values import to_lua"),
        ("lua.binding", "from regbot.lua.api.tag import BINDINGS"),
        ("lua.values", "from regbot.oci.manifest import Manifest"),
        ("config.schema", "from regbot.http.transport import Transport"),
        ("run.job", "from regbot.cli.main import main"),
        ("http.hosts", "from regbot.http.auth import challenge"),
        ("store.remote", "import requests"),
        ("http.auth", "from requests.auth import AuthBase"),
        ("lua.values", "from lupa.luajit21 import LuaRuntime"),
        ("attic", "from regbot.errors import NotFound"),
    ],
)
def test_an_import_against_the_direction_is_found(module, source):
    assert len(violations(source, module, "some.py")) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("oci.manifest", "from regbot.errors import Malformed"),
        ("oci.manifest", "from regbot.oci import digest"),
        ("oci.manifest", "from . import digest"),
        ("http.wire", "import requests.adapters"),
        ("config.schema", "from regbot.http import hosts"),
        ("lua.api.tag", "from regbot.plan.action import DeleteTag"),
        ("lua.runtime", "import lupa"),
        ("cli.main", "from regbot.version import __version__"),
        ("run.job", "import json"),
    ],
)
def test_an_import_along_the_direction_is_fine(module, source):
    assert violations(source, module, "some.py") == []


def test_a_violation_names_file_line_import_and_what_is_allowed():
    source = "import json\n\nfrom regbot.cli.main import main\n"
    (text,) = violations(source, "units", "regbot/units.py")
    where = "regbot/units.py:3: imports regbot.cli.main.main"
    assert text == f"{where}, but units may import errors, redaction, units, values"


def test_files_of_a_package_are_read_with_their_place_in_it(tmp_path):
    room = tmp_path / "regbot" / "oci"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text("from ..cli import main\n")
    (room / "digest.py").write_text("import requests\n")
    found = list(violations_of_package(tmp_path / "regbot"))
    assert [line.partition(", ")[0] for line in found] == [
        "regbot/oci/__init__.py:1: imports regbot.cli.main",
        "regbot/oci/digest.py:1: imports requests",
    ]


def test_no_two_test_files_have_one_name():
    """Pytest collects only one of them: the tests of the other would be missing."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
