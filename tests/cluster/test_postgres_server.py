"""The PostgreSQL that the other tests of this folder rest on."""

import psycopg


def test_a_database_is_empty_and_keeps_what_is_written(postgres, database_url):
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE kept (what text)")
        connection.execute("INSERT INTO kept VALUES ('this')")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT what FROM kept").fetchall() == [("this",)]
