"""A state in PostgreSQL where the packages for it are not installed."""

import sys

import pytest

from regbot.errors import UsageError
from regbot.journal.place import DatabaseUrl
from regbot.run.cluster.opening import open_units
from regbot.run.services import open_shared

URL = DatabaseUrl.parse("postgresql://regbot@db.example.org/regbot")


@pytest.mark.parametrize("package", ["psycopg", "procrastinate"])
def test_a_missing_package_is_one_line_that_says_how_to_install_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "regbot.run.cluster.queue", raising=False)
    text = r"needs packages that are not installed \(pip install '.\[cluster\]'\)$"
    with pytest.raises(UsageError, match=text):
        open_shared(URL)
    with pytest.raises(UsageError, match=text), open_units(URL, "regbot units"):
        pytest.fail("it was opened")
