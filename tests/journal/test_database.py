"""What holds of a database of state, be it a file or a server."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
import time
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from support.databases import connecting
from support.postgres import postgres as own_postgres

from regbot.errors import DatabaseAway, StorageError
from regbot.journal import postgres
from regbot.journal.database import storable
from regbot.journal.place import DatabaseUrl

STEPS = (
    (
        """CREATE TABLE thing (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,
            size REAL, content BLOB)""",
    ),
    ("ALTER TABLE thing ADD COLUMN kind TEXT NOT NULL DEFAULT 'old'",),
)
ADD = "INSERT INTO thing (name) VALUES (?)"


def opened_at(where, steps=STEPS, patience=5.0):
    """A database in a file, or at a URL."""
    return connecting(where, steps, patience=patience)()


@pytest.fixture(params=["file", "server"])
def where(request, tmp_path):
    """Where a database can be made."""
    if request.param == "file":
        return tmp_path / "things.sqlite"
    return request.getfixturevalue("database_url")


@pytest.fixture
def database(where):
    with closing(opened_at(where)) as database:
        yield database


def names(database):
    return [name for (name,) in database.rows("SELECT name FROM thing ORDER BY id")]


def test_values_come_back_as_they_were_written(database):
    row = ("a ? of 100%", 2.5, b"\x00\xff", "new")
    number = database.insert(
        "INSERT INTO thing (name, size, content, kind) VALUES (?, ?, ?, ?)", row
    )
    query = "SELECT name, size, content, kind FROM thing WHERE id = ?"
    assert database.rows(query, (number,)) == [row]


def test_new_rows_have_ids_in_their_order(database):
    ids = [database.insert(ADD, (name,)) for name in "abc"]
    assert ids == sorted(set(ids))


def test_a_statement_says_how_many_rows_it_changed(database):
    database.run_many(ADD, [("a",), ("a",), ("b",)])
    assert database.run("UPDATE thing SET kind = 'x' WHERE name = ?", ("a",)) == 2


def test_a_transaction_is_durable_at_its_end_for_others_too(database, where):
    with database.writing():
        database.run(ADD, ("kept",))
    with closing(opened_at(where)) as other:
        assert names(other) == ["kept"]


def test_a_transaction_in_another_is_a_part_of_it(database):
    with suppress(ValueError), database.writing():
        with database.writing():
            database.run(ADD, ("lost",))
        raise ValueError
    with database.writing(), database.writing():
        database.run(ADD, ("kept",))
    assert names(database) == ["kept"]


def test_an_error_takes_back_all_of_a_transaction(database):
    def write():
        database.run(ADD, ("lost",))
        raise LookupError

    with pytest.raises(LookupError), database.writing():
        write()
    with pytest.raises(LookupError):
        database.together(write)
    assert names(database) == []
    database.run(ADD, ("kept",))
    assert names(database) == ["kept"]


def test_what_many_threads_write_together_is_all_there(database):
    ids = []

    def note(number):
        ids.append(database.together(lambda: database.insert(ADD, (str(number),))))

    threads = [threading.Thread(target=note, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(database), key=int) == [str(number) for number in range(40)]
    assert len(set(ids)) == 40


def test_one_writer_waits_for_another_no_longer_than_its_patience(database, where):
    with closing(opened_at(where, patience=0.2)) as other, database.writing():
        database.run(ADD, ("first",))
        with pytest.raises(StorageError, match="locked by another process"), other.writing():
            other.run(ADD, ("second",))
    assert names(database) == ["first"]


def test_a_statement_that_is_wrong_is_an_error_of_the_state(database):
    with pytest.raises(StorageError, match="can't use the history"):
        database.run("INSERT INTO nothing VALUES (1)")
    assert names(database) == []


def test_texts_that_no_database_takes_are_escaped(database):
    database.run(ADD, (storable("a\0b\udcff"),))
    assert names(database) == ["a\\x00b\\udcff"]


def test_tables_of_an_older_version_are_taken_over(where):
    with closing(opened_at(where, STEPS[:1])) as old:
        old.run(ADD, ("kept",))
    with closing(opened_at(where)) as new:
        assert new.rows("SELECT name, kind FROM thing") == [("kept", "old")]


def test_tables_of_a_newer_version_are_refused(where):
    opened_at(where).close()
    with pytest.raises(StorageError, match="made by a newer version"):
        opened_at(where, STEPS[:1])


def _open_often(where, barrier):
    barrier.wait()
    for _ in range(5):
        opened_at(where).close()


def test_many_processes_may_make_the_tables_at_once(where):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    processes = [context.Process(target=_open_often, args=(where, barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4


def test_the_time_is_that_of_the_database(database):
    before = time.time()
    ((now,),) = database.rows(f"SELECT {database.now}")
    assert before - 0.01 <= now <= time.time() + 0.01


def test_who_does_nothing_after_writing_rows_keeps_no_lock(database_url):
    """As a machine that is suspended in the middle of a write."""
    place = DatabaseUrl.parse(database_url)
    with (
        closing(postgres.PostgresDatabase(place, patience=30.0)) as other,
        closing(postgres.PostgresDatabase(place, patience=0.5)) as suspended,
    ):
        suspended.prepare("kept", (("CREATE TABLE kept (name TEXT)",),))
        suspended.run("BEGIN")
        suspended.run_many("INSERT INTO kept VALUES (?)", [("first",), ("second",)])
        with other.writing():
            other.run("LOCK TABLE kept")
            assert other.rows("SELECT * FROM kept") == []


def test_an_error_never_shows_the_password(database_url):
    for wrong in (
        database_url.replace("s3cret", "wr0ng"),
        database_url.replace("127.", "127.1."),
        database_url.replace("s3cret", "s3cret%zz"),
    ):
        with pytest.raises(StorageError) as error:
            opened_at(wrong)
        assert "s3cret" not in str(error.value)
        assert "wr0ng" not in str(error.value)


def refusal(url):
    """What is said of a database that can't be used, after its name."""
    with pytest.raises(StorageError) as error:
        opened_at(url)
    text = str(error.value)
    assert "\n" not in text
    shown = DatabaseUrl.parse(url).shown
    assert text.startswith(f"can't use the history {shown}: ")
    return text.removeprefix(f"can't use the history {shown}: ")


def with_login(url, login):
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def test_a_server_that_lets_nobody_in_is_told_with_what_to_do(database_url, monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    for login in ("regbot:wr0ng", "nobody:wr0ng"):
        told = refusal(with_login(database_url, login))
        assert told.startswith("the user or the password is wrong (correct it")
    assert refusal(with_login(database_url, "regbot")).startswith("it asks for a password (give")
    absent = urlunsplit(urlsplit(database_url)._replace(path="/absent"))
    assert refusal(absent).startswith("there is no such database (create it")


def test_a_user_without_rights_is_told_which_it_needs(database_url):
    url = with_login(database_url, "idle:idle")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS idle")
        owner.execute("CREATE ROLE idle LOGIN PASSWORD 'idle'")
        assert refusal(url).startswith("its user has to own the schema regbot and all in it (as")
        opened_at(database_url).close()
        assert refusal(url).startswith("its user has to own the schema regbot and all in it (as")
        owner.execute("GRANT USAGE ON SCHEMA regbot TO idle")
        assert refusal(url).startswith("its user has to own the schema regbot and all in it (as")
        owner.execute("REVOKE USAGE ON SCHEMA regbot FROM idle")
        owner.execute(f"REVOKE CONNECT ON DATABASE {urlsplit(url).path[1:]} FROM PUBLIC")
        assert refusal(url).startswith("its user may not connect to it (as")
        owner.execute("DROP ROLE idle")


def test_a_server_that_is_too_old_is_refused(database_url, monkeypatch):
    monkeypatch.setattr(postgres, "_OLDEST", 1000)
    assert re.fullmatch(
        r"it is in PostgreSQL \d\d \(take version 1000 or a later one\)", refusal(database_url)
    )


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_server_that_restarts_fails_what_is_under_way_and_no_more(how):
    with own_postgres() as server, closing(opened_at(server.url())) as database:
        database.run(ADD, ("before",))

        def write():
            database.run(ADD, ("lost",))
            server.restart(how)
            database.run(ADD, ("lost too",))

        with pytest.raises(StorageError):
            database.together(write)
        database.run(ADD, ("after",))
        assert names(database) == ["before", "after"]
        server.stop(how)
        assert not database.is_writable
        server.start()
        assert database.is_writable


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_server_that_restarts_while_nothing_is_asked_fails_nothing(how):
    asked = {
        "write": lambda database: database.run(ADD, ("a",)),
        "insert": lambda database: database.insert(ADD, ("a",)),
        "read": lambda database: database.rows("SELECT name FROM thing"),
        "work": lambda database: database.together(lambda: database.run(ADD, ("a",))),
    }
    with own_postgres() as server, ExitStack() as ending:
        databases = [ending.enter_context(closing(opened_at(server.url()))) for _ in asked]
        server.restart(how)
        for database, ask in zip(databases, asked.values(), strict=True):
            ask(database)
        assert names(databases[0]) == ["a"] * 3


def test_a_server_that_is_away_can_be_told_from_what_it_refuses():
    with own_postgres() as server, closing(opened_at(server.url())) as database:
        with pytest.raises(StorageError) as refused:
            database.run("INSERT INTO nothing VALUES (1)")
        server.stop()
        for _ in range(2):
            with pytest.raises(DatabaseAway):
                database.run(ADD, ("lost",))
        server.start()
        database.run(ADD, ("kept",))
        assert not isinstance(refused.value, DatabaseAway)


def hold_a_transaction(url, patience, began):
    """Be suspended in a transaction, as a machine that sleeps is."""
    with closing(opened_at(url, patience=patience)) as database:

        def work():
            database.run(ADD, ("lost",))
            began.set()
            os.kill(os.getpid(), signal.SIGSTOP)

        with suppress(StorageError):
            database.together(work)


def test_a_process_that_is_suspended_holds_up_no_other(database_url):
    """What it had begun is undone: its connection ends, and with that its locks."""
    context = multiprocessing.get_context("spawn")
    began = context.Event()
    with closing(opened_at(database_url)) as database:
        process = context.Process(target=hold_a_transaction, args=(database_url, 0.5, began))
        process.start()
        try:
            assert began.wait(60)
            with database.writing():
                database.run(ADD, ("kept",))
            os.kill(process.pid, signal.SIGCONT)
            process.join(60)
            assert process.exitcode == 0
        finally:
            process.kill()
            process.join()
        assert names(database) == ["kept"]
