"""The names that users import from regbot, how their type checker and their prompt show them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import regbot
from regbot import CopyOptions, Guard, HostSettings, Login, Plan, Reference, Secret
from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteTag
from regbot.plan.carrying import Planned
from regbot.plan.outcome import Outcome
from regbot.rules.decision import Decision, Decisions

HEX = "0" * 64
DIGEST = Digest("sha256", HEX)
APP = Reference.parse("localhost:5000/app:v1")

USERS_PROGRAM = """
from typing import assert_type

from regbot import Client, CopyOptions, Guard, HostSettings, Login, Plan, Secret

host = HostSettings("localhost:5000", tls="disabled", login=Login("joe", Secret("word")))
guard = Guard.of(max_deletes=100, protect=["latest"])


def clean(repository: str) -> int:
    assert guard.is_set
    with Client(hosts=[host], dry_run=True) as client:
        for tag in client.tags(repository):
            client.tag_delete(f"{repository}:{tag}", reason="old")
        client.image_copy(f"{repository}:a", f"{repository}:b", CopyOptions(referrers=True))
        assert_type(client, Client)
        return len(client.outcomes)


"""


def test_every_name_can_be_imported_and_is_listed():
    assert set(regbot.__all__) <= set(dir(regbot))
    for name in regbot.__all__:
        assert getattr(regbot, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Robot'"):
        importlib.import_module("regbot").Robot  # noqa: B018


def test_regbot_itself_loads_no_room():
    code = "import sys, regbot; print(*(m for m in sys.modules if m.startswith('regbot.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize(("call", "code"), [("clean('localhost:5000/app')", 0), ("clean(1)", 1)])
def test_a_users_type_checker_knows_the_types(call, code, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"{USERS_PROGRAM}{call}\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == code, done.stdout


@pytest.mark.parametrize(
    "value",
    [
        APP,
        APP.without_name,
        Reference.parse(f"localhost:5000/app@sha256:{HEX}"),
        Reference.parse("ocidir://folder:v1"),
        DIGEST,
        HostSettings("localhost:5000", tls="disabled", mirrors=("mirror:5000",)),
        Guard.of(max_deletes=3, protect=["latest", "regex:v.*"], min_age="7d"),
        Guard(),
        CopyOptions(referrers=True),
    ],
)
def test_a_value_is_shown_as_it_is_written(value):
    assert eval(repr(value)) == value
    assert "\n" not in repr(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([Tag("v1"), Tag("v2")], "['v1', 'v2']"),
        (APP, "Reference.parse('localhost:5000/app:v1')"),
        (
            Descriptor(OCI_MANIFEST, DIGEST, 512),
            f"<Descriptor sha256:{HEX} {OCI_MANIFEST} 512 bytes>",
        ),
        (
            Descriptor.from_json(
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": str(DIGEST),
                    "size": 1,
                    "platform": {"os": "linux", "architecture": "arm64"},
                }
            ),
            f"<Descriptor sha256:{HEX} {OCI_MANIFEST} 1 bytes linux/arm64>",
        ),
        (
            replace(
                Manifest.build({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
                digest=DIGEST,
            ),
            f"<Manifest sha256:{HEX} {OCI_INDEX} 0 children>",
        ),
        (
            Outcome("", DeleteTag(APP), "skipped", DIGEST, "it moved"),
            "<Outcome skipped: delete tag localhost:5000/app:v1 (it moved)>",
        ),
        (
            Plan(0.0, "", (Planned("a", DeleteTag(APP)),)),
            "<Plan 1970-01-01T00:00:00Z: 1 delete tag>",
        ),
        (Plan(0.0, "", ()), "<Plan 1970-01-01T00:00:00Z: no actions>"),
        (
            Guard.of(max_deletes=3, protect=("latest",), min_age=3600),
            "Guard.of(max_deletes=3, protect=['latest'], min_age='1h')",
        ),
        (
            HostSettings("x:5000", login=Login("joe", Secret("word"))),
            "HostSettings(name='x:5000', login=Login(user='joe', password=Secret(***)))",
        ),
        (
            Decisions(APP.without_name, (Decision(Tag("v1"), keep=True, reason="newest"),)),
            "<Decisions localhost:5000/app: 1 kept, 0 deleted>",
        ),
    ],
)
def test_a_value_is_shown_in_one_short_line(value, shown):
    assert repr(value) == shown


def test_a_guard_is_written_as_in_the_config():
    guard = Guard.of(max_delete_percent=20, protect=["latest"], min_age="7d", keep_at_least=3)
    assert guard.min_age == 7 * 86400
    assert [each.text for each in guard.protect] == ["latest"]
    with pytest.raises(InvalidValue, match="list of patterns"):
        Guard.of(protect="latest")
    with pytest.raises(InvalidValue, match="not a duration"):
        Guard.of(min_age="a week")


def test_the_package_is_marked_as_typed():
    assert Path(regbot.__file__).with_name("py.typed").exists()
