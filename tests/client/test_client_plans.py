"""Plans, guards and reports from Python."""

from __future__ import annotations

import json

import pytest
from support.command import regbot
from support.library import connect, write_config

from regbot import Client, Guard, Plan
from regbot.errors import GuardBroken, UsageError
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteManifest
from regbot.plan.carrying import Planned

CHANGES = {"DELETE", "PUT", "POST", "PATCH"}


def changes(registry):
    return [request for request in registry.requests if request.method in CHANGES]


def planned(registry, *tags, **arguments):
    """The plan of a dry run that deletes these tags."""
    with connect(registry, dry_run=True, **arguments) as client:
        for tag in tags:
            client.tag_delete(f"{registry.host}/app:{tag}", reason="old")
        return client.plan()


def test_a_plan_is_carried_out(registry):
    plan = planned(registry, "new", "old-1")
    assert repr(plan).endswith(": 2 delete tag>")
    assert changes(registry) == []
    with connect(registry) as client:
        outcomes = client.apply(plan)
        assert [(outcome.status, outcome.action.reason) for outcome in outcomes] == [
            ("done", "old"),
            ("done", "old"),
        ]
        assert client.outcomes == outcomes
        assert client.run_id
    assert list(registry.tags("app")) == ["multi"]


def test_a_plan_says_what_stays_and_why(registry):
    plan = planned(registry, "old-1", guard=Guard.of(protect=["new"]))
    kept = {each.reference.tag: each.reason for each in plan.kept}
    assert kept == {"multi": "the script does not delete it", "new": "protected by new"}


def test_a_tag_that_has_moved_is_skipped(registry):
    plan = planned(registry, "new", "old-1")
    registry.tag("app", "new", registry.tags("app")["multi"])
    with connect(registry) as client:
        statuses = {outcome.action.reference.tag: outcome.status for outcome in client.apply(plan)}
    assert statuses == {"new": "skipped", "old-1": "done"}


def test_a_blob_is_put_by_a_plan(registry):
    with connect(registry, dry_run=True) as client:
        digest = client.blob_put(f"{registry.host}/app", b"hello").digest
        plan = client.plan()
    with connect(registry) as client:
        client.apply(plan)
        assert b"".join(client.blob(f"{registry.host}/app", digest)) == b"hello"


def test_a_plan_goes_through_a_file_to_the_command_and_back(registry, tmp_path):
    path = tmp_path / "plan.json"
    planned(registry, "new").write(path)
    assert json.loads(path.read_text())["actions"][0]["reason"] == "old"
    config = write_config(tmp_path, registry)
    assert regbot("apply", str(path), "-c", str(config), home=tmp_path).returncode == 0
    assert sorted(registry.tags("app")) == ["multi", "old-1"]

    script = f'tag.delete("{registry.host}/app:old-1")'
    content = json.loads(config.read_text())
    content["scripts"][0]["script"] = script
    config.write_text(json.dumps(content))
    assert regbot("plan", "-c", str(config), "-o", str(path), home=tmp_path).returncode == 0
    with Client(config=config) as client:
        (outcome,) = client.apply(Plan.read(path))
    assert outcome.status == "done"
    assert list(registry.tags("app")) == ["multi"]


def test_what_is_no_plan_is_told(registry, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("{}")
    with pytest.raises(UsageError, match="not a plan"):
        Plan.read(path)
    with connect(registry) as client, pytest.raises(UsageError, match="dry_run=True"):
        client.plan()


def test_applying_in_a_dry_run_changes_nothing(registry):
    plan = planned(registry, "new")
    with connect(registry, dry_run=True) as client:
        assert [outcome.status for outcome in client.apply(plan)] == ["planned"]
        assert client.tags(f"{registry.host}/app") == ["multi", "old-1"]
    assert changes(registry) == []


GUARDS = [
    (Guard.of(max_deletes=1), "maxDeletes 1"),
    (Guard.of(max_delete_percent=50), "maxDeletePercent 50"),
    (Guard.of(keep_at_least=2), "keepAtLeast 2"),
    (Guard.of(min_age="4000d"), "minAge"),
    (Guard.of(protect=["old-*"]), "protect old-"),
]


@pytest.mark.parametrize(("guard", "rule"), GUARDS)
def test_a_guard_judges_what_a_dry_run_plans(registry, guard, rule):
    with pytest.raises(GuardBroken, match=rule):
        planned(registry, "new", "old-1", guard=guard)


@pytest.mark.parametrize(("guard", "rule"), GUARDS)
def test_a_guard_judges_a_plan_before_it_is_carried_out(registry, guard, rule):
    plan = planned(registry, "new", "old-1")
    with connect(registry, guard=guard) as client, pytest.raises(GuardBroken, match=rule):
        client.apply(plan)
    assert changes(registry) == []


def test_no_tag_goes_with_a_manifest_unless_the_plan_names_it(registry):
    """The guard judged those alone."""
    before = dict(registry.tags("app"))
    digest = Digest.parse(before["new"])
    reference = Reference.parse(f"{registry.host}/app@{digest}")
    plan = Plan(0.0, "", (Planned("library", DeleteManifest(reference, digest)),))
    with connect(registry, guard=Guard.of(keep_at_least=3)) as client:
        (outcome,) = client.apply(plan)
    assert (outcome.status, outcome.detail) == ("skipped", "now also tagged: new")
    assert registry.tags("app") == before


def test_a_plan_that_keeps_to_the_guard_is_carried_out(registry):
    guard = Guard.of(max_deletes=1, keep_at_least=2, max_delete_percent=50, protect=["latest"])
    plan = planned(registry, "new", guard=guard)
    with connect(registry, guard=guard) as client:
        assert [outcome.status for outcome in client.apply(plan)] == ["done"]


@pytest.mark.parametrize("method", ["tag_delete", "manifest_delete", "image_delete"])
def test_where_the_guard_judges_whole_runs_nothing_is_deleted_at_once(registry, method):
    name = f"{registry.host}/app:new"
    with connect(registry, guard=Guard.of(max_deletes=100)) as client:
        if method == "manifest_delete":
            name = f"{registry.host}/app@{client.head(name).digest}"
        with pytest.raises(GuardBroken, match=f"{method}: the guard judges all deletes together"):
            getattr(client, method)(name)
        client.image_copy(f"{registry.host}/app:new", f"{registry.host}/app:copied")
    assert "new" in registry.tags("app")


def test_what_is_protected_stays(registry, tmp_path):
    repository = f"{registry.host}/app"
    config = write_config(tmp_path, registry, guard={"protect": ["new"]})
    with Client(config=config) as client:
        with pytest.raises(GuardBroken, match="protect new"):
            client.tag_delete(f"{repository}:new")
        with pytest.raises(GuardBroken, match="protect new"):
            client.image_copy(f"{repository}:old-1", f"{repository}:new")
        assert client.tag_delete(f"{repository}:old-1").status == "done"
    assert "new" in registry.tags("app")


def test_a_guard_that_is_given_wins_over_the_configs_and_adds_to_what_is_protected(
    registry, tmp_path
):
    config = write_config(tmp_path, registry, guard={"maxDeletes": 0, "protect": ["new"]})
    with pytest.raises(GuardBroken) as broken:
        planned(registry, "old-1", config=config, guard=Guard.of(max_deletes=0))
    told = str(broken.value)
    assert told.startswith("the guard stopped this plan, and nothing was deleted: maxDeletes 0: ")
    assert "bot.yml" not in told
    guard = Guard.of(max_deletes=9, protect=["multi"])
    with Client(config=config, guard=guard, dry_run=True) as client:
        client.tag_delete(f"{registry.host}/app:old-1")
        assert len(client.plan().actions) == 1
        client.tag_delete(f"{registry.host}/app:multi")
        client.tag_delete(f"{registry.host}/app:new")
        with pytest.raises(GuardBroken, match=r"protect multi.*protect new"):
            client.plan()


def test_a_report_tells_what_is_planned_and_is_written(registry, tmp_path):
    files = [tmp_path / f"report.{form}" for form in ("json", "html", "md", "csv")]
    with connect(registry, dry_run=True) as client:
        client.tag_delete(f"{registry.host}/app:old-1", reason="old")
        report = client.report(*files)
    (line,) = report.repositories
    assert (line.tags_before, line.deleted, line.kept) == (3, 1, 2)
    assert [row.reason for row in report.rows] == ["old"]
    assert report.rows[0].size
    assert all("old-1" in path.read_text() for path in files)
    assert changes(registry) == []


def test_a_report_of_a_live_client_knows_sizes_where_it_is_asked_to(registry):
    with connect(registry, evidence=True) as client:
        client.tag_delete(f"{registry.host}/app:old-1")
        (row,) = client.report().rows
        assert (row.status, row.created) == ("done", 1714979289.0)
        assert row.size
        client.tag_delete(f"{registry.host}/app:new")
        assert len(client.report().rows) == 2
    with connect(registry) as client:
        client.tag_delete(f"{registry.host}/app:multi")
        (row,) = client.report().rows
        assert (row.status, row.size) == ("done", None)


def test_a_report_has_to_have_a_known_form(registry, tmp_path):
    with connect(registry) as client, pytest.raises(UsageError, match=r"report\.txt.*suffix"):
        client.report(tmp_path / "report.txt")
