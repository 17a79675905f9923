"""A plan as a file: what it holds, and that just this is done."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.applying import APP as NAME
from support.applying import bot_in
from support.images import make_image

from regbot.config.load import read_config
from regbot.errors import UsageError
from regbot.events import ignore
from regbot.image.options import CopyOptions
from regbot.journal.records import ScriptRun
from regbot.oci.digest import Digest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import (
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
    PutManifest,
)
from regbot.plan.carrying import Planned, planned_from
from regbot.plan.evidence import Evidence
from regbot.plan.outcome import Outcome
from regbot.plan.planfile import Plan, plan_text, read_plan, write_plan
from regbot.run.bot import Options, assemble

APP = Reference.parse("registry.example.org:5000/team/app", default_tag=None)
LIB = Reference.parse("docker.io/library/lib", default_tag=None)
FOLDER = Reference.parse("ocidir:///srv/images", default_tag=None)
IMAGE = make_image()
DIGEST = IMAGE.digest
RAW = b"\x00 some \xff bytes"
BLOB = Digest.of(RAW)
AT = replace(APP, tag=Tag("v1"), digest=DIGEST)
OPTIONS = CopyOptions(
    platforms=(Platform.parse("linux/arm/v7"), Platform.parse("windows/amd64,osver=10.0.17763")),
    digest_tags=True,
    include_external=True,
)
BY_DIGEST = APP.with_digest(DIGEST)


def content():
    return (RAW,)


def actions(work_dir):
    return [
        DeleteTag(APP.with_tag(Tag("v1")), "old \ud800 é \n", DIGEST, may_be_gone=True),
        DeleteManifest(BY_DIGEST, DIGEST, "why", may_be_gone=True, allowed_tags=()),
        DeleteManifest(
            BY_DIGEST, DIGEST, "why", may_be_gone=True, allowed_tags=(Tag("a"), Tag("b"))
        ),
        PutManifest(APP.with_tag(Tag("v2")), IMAGE.manifest, "again"),
        PutManifest(BY_DIGEST, IMAGE.manifest),
        PutBlob(APP, BLOB, len(RAW), content, "text"),
        PutBlob(APP, BLOB, len(RAW), None, "from", source=LIB),
        CopyImage(AT, LIB.with_tag(Tag("v1")), CopyOptions(), "", DIGEST),
        CopyImage(AT, FOLDER.with_tag(Tag("v1")), OPTIONS, "moved", DIGEST),
        ExportTar(APP.with_tag(Tag("v1")), work_dir / "folder" / "v1.tar", "", DIGEST),
        ImportTar(LIB.with_tag(Tag("v1")), work_dir / "v1.tar", "given", DIGEST),
    ]


def read(path: Path) -> Plan:
    return read_plan(str(path), work_dir=path.parent)


def comparable(action):
    if isinstance(action, PutBlob) and action.content:
        return replace(action, content=b"".join(action.content()))
    return action


def test_every_kind_of_action_survives_the_file(tmp_path):
    work_dir = tmp_path.resolve()
    planned = [
        Planned("clean", action, 1_600_000_000.25 if number % 2 else None, number or None)
        for number, action in enumerate(actions(work_dir))
    ]
    plan = Plan(1_750_000_000.5, "sha256:f00d", tuple(planned))
    write_plan(plan, tmp_path / "plan.json", tmp_path)
    found = read(tmp_path / "plan.json")
    assert (found.made, found.fingerprint) == (plan.made, plan.fingerprint)
    assert [replace(one, action=None) for one in found.actions] == [
        replace(one, action=None) for one in planned
    ]
    escaped = replace(planned[0].action, reason="old \\ud800 é \n")
    expected = [escaped, *(one.action for one in planned[1:])]
    assert [comparable(one.action) for one in found.actions] == list(map(comparable, expected))


def test_layout_folders_are_named_from_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reference = Reference.parse("ocidir://images:v1")
    plan = Plan(0.0, "", (Planned("clean", DeleteTag(reference, "", DIGEST)),))
    (entry,) = json.loads(plan_text(plan, tmp_path))["actions"]
    assert entry["reference"] == f"ocidir://{tmp_path}/images:v1"


def test_a_plan_is_held_to_what_it_was_decided_on():
    evidence = Evidence({DIGEST: 7}, 1_600_000_000.0, 5, (Tag("a"), Tag("b")))
    source, target = LIB.with_tag(Tag("v1")), APP.with_tag(Tag("v1"))

    def pinned(action, digest=DIGEST, status="planned"):
        outcome = Outcome("clean", action, status, digest, "", evidence)
        return [one.action for one in planned_from([outcome])]

    assert pinned(DeleteTag(target)) == [DeleteTag(target, "", DIGEST, may_be_gone=True)]
    (deleted,) = pinned(DeleteManifest(BY_DIGEST, DIGEST, unless_tagged=True))
    assert deleted.allowed_tags == ("a", "b")
    (copied,) = pinned(CopyImage(source, target, CopyOptions()))
    assert (copied.source.name, copied.digest) == (DIGEST, DIGEST)
    (exported,) = pinned(ExportTar(target, Path("x.tar")))
    assert exported.digest == DIGEST
    (put,) = pinned(PutManifest(target, IMAGE.manifest))
    assert put.digest == DIGEST
    assert pinned(DeleteTag(target, may_be_gone=True), digest=None) == []
    for status in ("failed", "skipped", "done"):
        assert pinned(DeleteTag(target), status=status) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 10_000,
        b'{"schema": 1, "actions": []}',
        b'{"schema": "2", "actions": []}',
        b'{"schema": 2}',
        b'{"schema": 2, "actions": [], "made_seconds": "now", "config": ""}',
        b'{"schema": 2, "actions": [], "made_seconds": NaN, "config": ""}',
        b'{"schema": 2, "actions": [], "made_seconds": 1e999, "config": ""}',
        b'{"schema": 2, "actions": {}, "made_seconds": 0, "config": ""}',
        b'{"schema": 2, "actions": "ab", "made_seconds": 0, "config": ""}',
        b'{"schema": 2, "actions": 7, "made_seconds": 0, "config": ""}',
        b'{"schema": 2, "actions": [7], "made_seconds": 0, "config": ""}',
        b'{"schema": 2, "actions": [{}], "made_seconds": 0, "config": ""}',
    ],
)
def test_what_is_no_plan_is_said_in_a_line(tmp_path, raw):
    path = tmp_path / "plan.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_plan_of_another_schema_says_to_plan_again(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text('{"schema": 1, "actions": []}')
    with pytest.raises(UsageError, match="schema 1, not 3: make it again with regbot plan"):
        read(path)


def test_a_plan_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="can't read the plan"):
            read(path)


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        (0, {"reference": f"{APP}"}, "names no tag"),
        (0, {"reference": "Not A Reference"}, "Not A Reference"),
        (0, {"digest": None}, "a text is expected"),
        (0, {"digest": "sha256:00"}, "sha256:00"),
        (0, {"action": "delete everything"}, "there is no action 'delete everything'"),
        (1, {"tags": "all"}, ": tags: "),
        (3, {"manifest": "e30="}, "sha256"),
        (3, {"digest": "sha256:" + "0" * 64}, "sha256"),
        (5, {"content": "AAAA"}, "sha256"),
        (9, {"file": "../../etc/passwd"}, "leads out of"),
        (10, {"file": "/etc/passwd"}, "leads out of"),
        (8, {"platforms": ["a/b/c/d/e"]}, "a/b/c/d/e"),
        (0, {"size": "big"}, ": size: "),
        (6, {"bytes": float("inf")}, ": bytes: "),
        (0, {"tag": "v2"}, ": tag: "),
        (0, {"reason": None}, ": reason: "),
        (0, {"size": True}, ": size: "),
        (0, {"size": -1}, ": size: "),
        (0, {"size": 1.5}, ": size: "),
        (0, {"size": 10**400}, ": size: "),
        (0, {"created_seconds": "1"}, ": created_seconds: "),
        (0, {"created_seconds": 1e300}, ": created_seconds: "),
        (2, {"tags": ["a", 7]}, ": tags: "),
        (2, {"tags": ["a b"]}, ": tags: "),
        (3, {"manifest": "?"}, ": manifest: "),
        (3, {"media_type": 7}, ": media_type: "),
        (5, {"content": None}, "source or content is missing"),
        (6, {"bytes": -1}, ": bytes: "),
        (6, {"source": "a\nb"}, ": source: "),
        (7, {"referrers": 1}, ": referrers: "),
        (7, {"platforms": None}, ": platforms: "),
    ],
)
def test_an_edited_action_that_makes_no_sense(tmp_path, number, change, said):
    data = plan_data(tmp_path)
    data["actions"][number] |= change
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError) as caught:
        read(path)
    assert f"action {number + 1} can't be read" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("number", "key"),
    [
        *((0, key) for key in ("script", "action", "reference", "digest")),
        *((1, "tags"), (3, "media_type"), (3, "manifest"), (5, "bytes"), (5, "content")),
        *((7, "source"), (9, "file")),
    ],
)
def test_an_action_without_a_key_that_it_needs(tmp_path, number, key):
    data = plan_data(tmp_path)
    del data["actions"][number][key]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=f"action {number + 1} can't be read: .*{key}.* missing"):
        read(path)


@pytest.mark.parametrize("change", [{"note": "mine"}, {"config": None}, {"made": 0}])
def test_a_plan_is_read_as_a_whole_or_not_at_all(tmp_path, change):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan_data(tmp_path) | change))
    with pytest.raises(UsageError, match=f"not a whole plan: {next(iter(change))}: "):
        read(path)


def test_a_deleted_digest_is_the_one_that_is_named(tmp_path):
    """An edited reference can't show one thing and delete another."""
    data = plan_data(tmp_path)
    data["actions"][1]["reference"] = f"{APP}@{Digest.of(b'another')}"
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data))
    action = read(path).actions[1].action
    assert action.reference.digest == action.digest


def plan_data(folder):
    planned = tuple(Planned("clean", action) for action in actions(folder.resolve()))
    return json.loads(plan_text(Plan(0.0, "", planned), folder))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
SOME = st.sampled_from(
    [
        "",
        "delete tag",
        "put blob",
        "copy image",
        str(DIGEST),
        f"{APP}",
        "a\nb",
        "\ud800",
        "ocidir://x",
    ]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_edited_plan_is_read_or_refused_in_one_line(tmp_path, data):
    edited = copy.deepcopy(plan_data(tmp_path))
    for _ in range(data.draw(st.integers(1, 3))):
        holder = data.draw(st.sampled_from([edited, *edited["actions"]]))
        if not isinstance(holder, dict) or not holder:
            continue
        key = data.draw(st.sampled_from(sorted(holder)))
        if data.draw(st.booleans()):
            holder[key] = data.draw(SOME | JSON)
        else:
            del holder[key]
        if not isinstance(edited.get("actions"), list):
            break
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(edited))
    try:
        found = read_plan(str(path), work_dir=tmp_path)
    except UsageError as error:
        said = str(error)
    else:
        said = "read"
        plan_text(Plan(0.0, "", found.actions), tmp_path)
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_server_keeps_nothing_of_runs_that_are_over(tmp_path, dry_run):
    with bot_in(tmp_path) as bot:
        tags = bot.fill(old=2, new=2)
        bot.configure('tag.delete(app .. ":old0") return #tag.ls(app)')
        config = read_config(str(tmp_path / "bot.yml"), environ={}, stdin=io.BytesIO())
        options = Options(dry_run=dry_run, evidence=True)
        with assemble(config, options, "bot.yml", ignore) as program:
            for number in range(3):
                bot.registry.tag(NAME, "old0", tags["old0"])
                run = ScriptRun(str(number), "clean", "server", "bot.yml", 0.0)
                (result,) = program.for_run(run).run_due(config.scripts[0], "").results
                assert (result.status, result.value) == ("done", (3,))
            assert program.outcomes == ()
        assert len(bot.journalled()) == (0 if dry_run else 3)
