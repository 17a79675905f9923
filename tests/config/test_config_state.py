"""``defaults.state``: a folder, or a database whose password nobody sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.configs import load, problems

from regbot.journal.place import DatabaseUrl

URL = "postgresql://regbot:pa55@db.example.org:5433/regbot?sslmode=require"


def state(text, **environ):
    return load(f"defaults: {{state: {text}}}", environ=environ, base=Path("/etc/regbot")).state


def test_a_folder_starts_at_that_of_the_config():
    assert state("state") == Path("/etc/regbot/state")
    assert state("/var/lib/regbot") == Path("/var/lib/regbot")


def test_a_template_gives_either():
    assert state("'{{env \"WHERE\"}}'", WHERE="/var/lib/regbot") == Path("/var/lib/regbot")
    database = state("'{{env \"WHERE\"}}'", WHERE=URL)
    assert database == DatabaseUrl.parse(URL)


def test_what_is_shown_of_a_database_has_no_password():
    database = state(f"'{URL}'")
    assert str(database) == "postgresql://regbot@db.example.org:5433/regbot"
    assert "pa55" not in repr(database)
    assert database.secret.reveal() == URL


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("mysql://db.example.org/regbot", "it is no URL such as postgresql://"),
        ("'postgresql://a b@db.example.org/x'", "it has a space in it"),
        ("postgresql://regbot:pa/55@db.example.org/x", "it has an @ after its host"),
        ("'postgresql://regbot:pa?55@db.example.org/x'", "it has an @ after its host"),
        ("'postgresql://regbot:pa#55@db.example.org/x'", "it has an @ after its host"),
        ("postgresql://regbot:pa@55@db.example.org/x", "it has an @ before that of its host"),
        ("'{{env \"NOTHING\"}}'", "it is empty"),
    ],
)
def test_a_wrong_one_is_a_mistake(text, mistake):
    (problem,) = problems(f"defaults: {{state: {text}}}")
    assert mistake in problem
    assert "55" not in problem
