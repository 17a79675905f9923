"""What the tests of many processes start from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.limiting import Rows, connect


@pytest.fixture
def database(database_url) -> Iterator[Rows]:
    """An empty database with the tables of the limits."""
    rows = connect(Rows(database_url))
    try:
        yield rows
    finally:
        rows.close()
