"""The process that is started before there is a script for it."""

import pytest

from regbot.lua import processes
from regbot.lua.processes import started_ahead


def test_a_process_that_no_script_took_is_ended(monkeypatch):
    started = [processes.start()]
    monkeypatch.setattr(processes, "start", lambda: started[0])
    with pytest.raises(KeyError), started_ahead():
        raise KeyError
    assert [process.poll() is None for process in started] == [False]


def test_each_script_has_a_process_of_its_own():
    with started_ahead() as take:
        taken = [take(), take()]
    try:
        assert taken[0].pid != taken[1].pid
        assert [process.poll() for process in taken] == [None, None]
    finally:
        for process in taken:
            processes.end(process)
