"""Puts ``tests/`` on the path, so that every test can import ``support``."""

import signal
import sys
from pathlib import Path

import pytest
import requests_mock as mocking
from hypothesis import settings

from regbot.http.connections import Session

sys.path.insert(0, str(Path(__file__).parent))

# Servers under test listen to this one, also where nohup has it ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine is no failure, and no folder of examples is left behind.
settings.register_profile("regbot", deadline=None, database=None)
settings.load_profile("regbot")


@pytest.fixture
def requests_mock(monkeypatch):
    """Answers every message instead of the network, as the plugin's fixture does.

    Ours goes straight to the adapter of a session, so the adapter is what is replaced.
    """
    adapter = mocking.Adapter()
    monkeypatch.setattr(Session, "get_adapter", lambda _session, _url: adapter)
    return mocking.Mocker(adapter=adapter)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL that the tests of a process share; one that is stopped needs its own."""
    from support.postgres import postgres

    with postgres() as server:
        yield server


@pytest.fixture
def database_url(postgres):
    """The URL of an empty database in PostgreSQL."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["folder", "database"])
def state(request, tmp_path):
    """Where a journal can be: a folder that isn't there yet, or a database."""
    from regbot.journal.place import DatabaseUrl

    if request.param == "folder":
        return tmp_path / "state"
    return DatabaseUrl.parse(request.getfixturevalue("database_url"))


@pytest.fixture
def snapshot(snapshot):
    """A text that is kept in a file, see ``support.snapshots``."""
    from support.snapshots import Texts

    return snapshot.use_extension(Texts)
