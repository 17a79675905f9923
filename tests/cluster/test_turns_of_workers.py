"""A worker changes a repository when it is its turn among all machines."""

from __future__ import annotations

import io
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.applying import APP, bot_in

from regbot.config.load import read_config
from regbot.events import ignore
from regbot.journal.place import DatabaseUrl
from regbot.journal.shared import open_database, open_leases
from regbot.journal.turns import SharedTurns
from regbot.oci.reference import Reference, names_of_registry
from regbot.run.bot import Options, assemble
from regbot.run.cluster.opening import open_cluster, open_worker
from regbot.run.unit import Course
from regbot.stopping import Stop

RUN = "20261129-000000-abc123"
_LONGEST = 60.0


def test_a_unit_waits_for_what_another_machine_does_there(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = DatabaseUrl.parse(database_url)
    with bot_in(tmp_path, database=database_url) as bot:
        bot.fill(old=3, new=2)
        bot.configure()
        config = read_config(str(tmp_path / "bot.yml"), environ={}, stdin=io.BytesIO())
        named = Reference.parse(bot.app).without_name
        place = replace(named, registry=names_of_registry(named.registry)[0])
        stop = Stop(grace=5.0)
        with (
            closing(open_database(url, 5.0)) as database,
            closing(open_leases(url, database, 5.0)) as leases,
            closing(SharedTurns(database, leases.lease)) as turns,
            assemble(config, Options(stop=stop), str(tmp_path / "bot.yml"), ignore) as program,
            open_cluster(config, str(tmp_path / "bot.yml"), "test") as cluster,
            open_worker(program, "test") as units,
        ):
            thread = threading.Thread(target=units.work, args=(stop, 1))
            with turns.at(place, "puts", Stop()):
                cluster.hand_out("once", Course(RUN, config.scripts))
                thread.start()
                give_up = time.monotonic() + _LONGEST
                while '"waiting": [[' not in str(database.rows("SELECT claims FROM turn")):
                    assert time.monotonic() < give_up
                    time.sleep(0.05)
                assert bot.wrote() == []
            while {record.state for record in cluster.records(RUN)} != {"done"}:
                assert time.monotonic() < give_up
                time.sleep(0.05)
            stop.ask()
            thread.join(_LONGEST)
        assert set(bot.registry.tags(APP)) == {"new0", "new1"}
