"""What is said of files: mistakes in a config, plans, a journal that can't be used."""

import sqlite3
from contextlib import closing

import pytest
from support.configs import load, problems
from support.messages import steady

from regbot.config.values import ServerSettings
from regbot.errors import ConfigError, Conflict, StorageError
from regbot.events import ignore
from regbot.http.hosts import Secret
from regbot.journal.opening import open_journal
from regbot.journal.place import DatabaseUrl
from regbot.journal.serverlock import only_server
from regbot.serve.access import Access

MISTAKES = {
    "unknown key": "scripts: [{name: a, script: log(1), frequency: 1h}]",
    "duplicate key": "version: 1\nversion: 1",
    "duplicate name": "scripts: [{name: a, script: log(1)}, {name: a, script: log(2)}]",
    "duration": "defaults: {timeout: soon}",
    "schedule": "defaults: {schedule: daily}",
    "template": "creds: [{registry: registry.example.org, pass: '{{env \"X\" | upcase}}'}]",
    "registry with a scheme": "creds: [{registry: https://registry.example.org}]",
    "no source": "scripts: [{name: a}]",
    "file of a script": "scripts: [{name: a, file: nothing.lua}]",
    "not YAML": "scripts: [",
    "rules without conditions": (
        "scripts: [{name: a, repositories: [r.example.org/app], retention: {keep: []}}]"
    ),
    "pem": "creds: [{registry: registry.example.org, regcert: /etc/ca.pem}]",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_config_is_wrong(snapshot, tmp_path, mistake):
    first, *_ = problems(MISTAKES[mistake], base=tmp_path)
    assert steady(first, tmp_path) == snapshot


def test_the_history_is_in_use_by_another_process(snapshot, tmp_path):
    (tmp_path / "history.sqlite").touch()
    with closing(sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError) as caught:
            open_journal(tmp_path, patience=0.05)
        other.execute("ROLLBACK")
    assert steady(str(caught.value), tmp_path) == snapshot


def test_the_history_is_in_a_database_whose_url_cannot_be_read(snapshot):
    url = DatabaseUrl.parse("postgresql://regbot:%zz@database.example.org/regbot")
    with pytest.raises(StorageError) as caught:
        open_journal(url)
    assert str(caught.value) == snapshot


def test_another_server_works_with_the_folder(snapshot, tmp_path):
    with only_server(tmp_path), pytest.raises(StorageError) as caught, only_server(tmp_path):
        pass
    assert steady(str(caught.value), tmp_path) == snapshot


def test_a_token_is_empty(snapshot):
    config = load("server: {token: '{{env \"X\"}}'}")
    with pytest.raises(ConfigError) as caught:
        config.server.require_tokens()
    assert str(caught.value) == snapshot


def test_a_plan_has_lapsed(snapshot, tmp_path):
    with open_journal(tmp_path) as journal:
        record = journal.keep_plan(
            b"{}", made=0.0, config="bot.yml", summary="", approve_within=1.0
        )
        with pytest.raises(Conflict) as caught:
            journal.approve_plan(record.id)
    assert str(caught.value).replace(record.id, "ID") == snapshot


def test_a_token_is_wrong(snapshot):
    settings = ServerSettings(token=Secret("sesame-sesame-sesame"))
    access = Access(lambda: settings, ignore, lambda: 0.0)
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "HTTP_AUTHORIZATION": "Bearer wrong"}
    refusals = [access.refusal(dict(environ)) for _ in range(11)]
    first, last = refusals[0], refusals[-1]
    assert first
    assert last
    assert f"{first.why}\n{last.why}" == snapshot


def test_the_history_is_damaged(snapshot, tmp_path):
    (tmp_path / "history.sqlite").write_bytes(b"no history" * 1000)
    with pytest.raises(StorageError) as caught:
        open_journal(tmp_path)
    assert steady(str(caught.value), tmp_path) == snapshot


def test_the_folder_of_the_journal_can_not_be_made(snapshot, tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StorageError) as caught:
        open_journal(tmp_path / "state" / "journal")
    assert steady(str(caught.value), tmp_path) == snapshot
