"""What a client changes is in the journal, as on the command line."""

from __future__ import annotations

import time

import pytest
from support.command import regbot
from support.library import connect, write_config

from regbot import Client, HostSettings, Login, Plan, Secret
from regbot.errors import NotFound, Stopped, UsageError
from regbot.journal.opening import default_state, open_journal


def runs_in(folder):
    with open_journal(folder) as journal:
        return [(run.id, run.kind, run.status) for run in journal.runs()]


def test_the_journal_is_on_by_default_and_the_command_finds_it(registry, tmp_path):
    before = dict(registry.tags("app"))
    config = write_config(tmp_path, registry)
    with Client(config=config) as client:
        assert client.run_id == ""
        client.tag_delete(f"{registry.host}/app:new")
        run = client.run_id
    assert client.run_id == run
    assert runs_in(default_state()) == [(run, "library", "done")]
    assert "new" not in registry.tags("app")
    undone = regbot("undo", run, home=tmp_path)
    assert (undone.returncode, registry.tags("app")) == (0, before)


def test_the_config_names_the_folder(registry, tmp_path):
    with Client(config=write_config(tmp_path, registry, state="kept")) as client:
        client.tag_delete(f"{registry.host}/app:new")
    assert len(runs_in(tmp_path / "kept")) == 1
    assert not default_state().exists()


def test_an_argument_names_the_folder(registry, tmp_path):
    config = write_config(tmp_path, registry, state="kept")
    with Client(config=config, journal=tmp_path / "other") as client:
        client.tag_delete(f"{registry.host}/app:new")
    assert len(runs_in(tmp_path / "other")) == 1
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("arguments", [{"journal": False}, {"dry_run": True}])
def test_nothing_is_kept_without_a_journal_and_in_a_dry_run(registry, arguments):
    with connect(registry, **arguments) as client:
        client.tag_delete(f"{registry.host}/app:new")
        assert client.run_id == ""
    assert not default_state().exists()


def test_who_changes_nothing_leaves_nothing(registry):
    with connect(registry) as client:
        client.tags(f"{registry.host}/app")
    assert not default_state().exists()


def test_a_client_without_a_config_leaves_what_others_keep_for_longer(registry):
    state, year = default_state(), 365 * 86400.0
    with open_journal(state, clock=lambda: time.time() - year) as journal:
        for keep in (2 * year, 0.5 * year):
            config = f"/kept-for-{keep}.yml"
            run = journal.begin_run(kind="once", config=config, fingerprint="", keep=keep)
            run.finish("failed")
    with connect(registry) as client:
        client.tag_delete(f"{registry.host}/app:new")
    with open_journal(state) as journal:
        assert [run.config for run in journal.runs()] == ["", f"/kept-for-{2 * year}.yml"]


def test_a_run_is_undone(registry):
    repository, before = f"{registry.host}/app", dict(registry.tags("app"))
    with connect(registry) as client:
        client.tag_delete(f"{repository}:new")
        client.tag_delete(f"{repository}:old-1")
        run = client.run_id
    with connect(registry) as client:
        (undone,) = client.undo(run, tags=["new"])
        assert (undone.status, str(undone.reference)) == ("restored", f"{repository}:new")
        assert client.outcomes == ()
        client.undo(run[:-1])
    assert registry.tags("app") == before
    assert [kind for _, kind, _ in runs_in(default_state())] == ["undo", "undo", "library"]


def test_a_client_undoes_what_it_did_itself_and_sees_it(registry, tmp_path):
    reference = f"{registry.host}/app:new"
    with Client(config=write_config(tmp_path, registry)) as client:
        client.tags(f"{registry.host}/app")
        digest = client.head(reference).digest
        client.tag_delete(reference)
        with pytest.raises(NotFound):
            client.head(reference)
        client.undo(client.run_id)
        assert client.head(reference).digest == digest


def test_a_dry_run_says_what_it_would_put_back(registry):
    with connect(registry) as client:
        client.tag_delete(f"{registry.host}/app:new")
    with connect(registry, dry_run=True) as dry:
        assert [undone.status for undone in dry.undo(client.run_id)] == ["planned"]
    assert "new" not in registry.tags("app")


def test_a_run_that_is_not_there_is_told(registry):
    with connect(registry) as client:
        with pytest.raises(NotFound, match="no run '2026'"):
            client.undo("2026")
        client.tag_delete(f"{registry.host}/app:new")
        with pytest.raises(NotFound, match="no run 'x'"):
            client.undo("x")
    with connect(registry, journal=False) as client, pytest.raises(UsageError, match="no journal"):
        client.undo("2026")


CALLS = {
    "repositories": lambda client, app: client.repositories(app.partition("/")[0]),
    "tags": lambda client, app: client.tags(app),
    "tag_delete": lambda client, app: client.tag_delete(f"{app}:new"),
    "image_delete": lambda client, app: client.image_delete(f"{app}:new"),
    "blob_put": lambda client, app: client.blob_put(app, b"content"),
    "image_copy": lambda client, app: client.image_copy(f"{app}:new", f"{app}:copy"),
    "apply": lambda client, app: client.apply(Plan(0.0, "", ())),
    "undo": lambda client, app: client.undo(client.run_id or "2026"),
    "report": lambda client, app: client.report(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("changed", [True, False])
def test_a_client_that_is_closed_does_nothing_more(registry, call, changed):
    app = f"{registry.host}/app"
    with connect(registry) as client:
        if changed:
            client.tag_delete(f"{app}:old-1")
    before, runs = dict(registry.tags("app")), default_state().exists()
    registry.forget()
    with pytest.raises(UsageError, match="this client is closed"):
        call(client, app)
    client.close()
    assert (registry.tags("app"), registry.asked()) == (before, [])
    assert default_state().exists() == runs == changed
    assert len(client.outcomes) == (1 if changed else 0)


def test_what_is_under_way_when_a_client_is_closed_begins_no_other_run(registry):
    client = connect(registry)
    registry.before("GET", "/manifests/new", client.close)
    with pytest.raises(Stopped, match="the run has ended"):
        client.tag_delete(f"{registry.host}/app:new")
    assert "new" in registry.tags("app")
    assert not default_state().exists()


def test_tags_to_put_back_are_a_list(registry):
    with connect(registry) as client:
        client.tag_delete(f"{registry.host}/app:new")
        with pytest.raises(TypeError, match="tags: expected list or tuple, got str"):
            client.undo(client.run_id, tags="new")


def test_a_run_says_how_it_ended(registry):
    repository = f"{registry.host}/app"

    def end(error):
        with connect(registry) as client:
            client.image_copy(f"{repository}:new", f"{repository}:again-{type(error).__name__}")
            raise error

    for error in (ValueError("mine"), Stopped("asked")):
        with pytest.raises(type(error)):
            end(error)
    assert [status for _, _, status in runs_in(default_state())] == ["stopped", "failed"]


def test_no_login_is_in_the_journal(registry):
    host = HostSettings(registry.host, tls="disabled", login=Login("robot", Secret("s3cret")))
    with Client(hosts=[host]) as client:
        client.tag_delete(f"{registry.host}/app:new")
        assert "s3cret" not in repr(client)
    for path in default_state().rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes()
