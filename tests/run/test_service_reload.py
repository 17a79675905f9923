"""A server that goes on with a new config."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.images import make_image, push
from support.serving import config_in, served, state_of

from regbot.errors import ConfigError, Conflict, NotFound
from regbot.events import Message, ignore
from regbot.oci.reference import Reference
from regbot.run.reloading import ConfigSource, Reloading
from regbot.run.service_events import (
    ConfigRefused,
    ConfigReloaded,
    PlanLapsed,
    ScriptRunStarted,
)
from regbot.run.watch import FileWatch
from regbot.store.ocidir import OciDirStore


class Sources:
    """What a server reads at each reload."""

    def __init__(self, folder):
        self.folder = folder
        self.text = ""
        self.defaults = {}

    def read(self):
        return config_in(self.folder, self.text, **self.defaults)


@pytest.fixture
def source(tmp_path):
    return Sources(tmp_path)


def scripts(**texts):
    listed = [f"{{name: {name}, script: {text!r}, interval: 1h}}" for name, text in texts.items()]
    return f"scripts: [{', '.join(listed)}]"


def messages(heard):
    return [event.text for event in heard.of(Message)]


def test_the_new_config_is_in_force_for_all_that_begins_after(source):
    source.text = scripts(a="log('old')", b="return")
    with served(source.read(), read=source.read) as (service, heard):
        heard.until(lambda: messages(heard).count("scheduled") == 2)
        upcoming = state_of(service, "a").upcoming
        source.text = scripts(c="return", a="log('new')")
        assert service.reload()
        assert [state.script.name for state in service.states()] == ["c", "a"]
        assert state_of(service, "a").upcoming.at == upcoming.at
        service.run_now("a")
        heard.ended()
        with pytest.raises(NotFound):
            service.run_now("b")
    assert "new" in messages(heard)
    assert "old" not in messages(heard)
    assert len(heard.of(ConfigReloaded)) == 1
    (line,) = [event for event in heard.of(Message) if event.text == "config reloaded"]
    assert line.fields == {"scripts": 2}
    announced = [event.fields["script"] for event in heard.of(Message) if event.text == "scheduled"]
    assert announced == ["a", "b", "c"]


def test_what_runs_ends_with_the_config_it_began_with(source, tmp_path):
    gate = f"ocidir://{tmp_path / 'gate'}"
    waiting = f"while not pcall(tag.ls, '{gate}') do end"
    source.text = scripts(a=f"log('begun') {waiting} log('old end')")
    with served(source.read(), read=source.read) as (service, heard):
        service.run_now("a")
        heard.until(lambda: "begun" in messages(heard))
        source.text = scripts(b="return")
        assert service.reload()
        assert [state.script.name for state in service.states()] == ["b"]
        push(OciDirStore(Reference.parse(gate)), make_image(), "open")
        (run,) = heard.ended(script="a")
        assert (run.status, run.error) == ("done", "")
        service.run_now("b")
        heard.ended(script="b")
    assert "old end" in messages(heard)


def test_a_config_with_mistakes_is_refused_and_the_old_one_goes_on(source):
    source.text = scripts(a="log('on')")
    with served(source.read(), read=source.read) as (service, heard):
        source.text = "scripts: [{name: a, interval: 1h}, {nam: b}]"
        assert not service.reload()
        refused = heard.of(ConfigRefused)[0].problems
        assert len(refused) > 1
        assert service.reload_problem == "\n".join(refused)
        assert [text for text in messages(heard) if "refused" in text] == [
            f"new config refused: {problem}" for problem in refused
        ]
        service.run_now("a")
        heard.ended(script="a", status="done")
        source.text = scripts(a="log('better')")
        assert service.reload()
        assert service.reload_problem == ""


def test_the_folder_of_state_cant_change(source, tmp_path):
    source.text = scripts(a="return")
    config = source.read()
    with served(config, read=source.read) as (service, heard):
        source.defaults = {"state": str(tmp_path / "other")}
        assert not service.reload()
        assert "state" in service.reload_problem
        assert "start the server anew" in service.reload_problem
        assert service.config is config
        assert len(heard.of(ConfigRefused)) == 1


def test_a_defect_while_reading_leaves_the_server_as_it_is(source):
    source.text = scripts(a="return")

    def read():
        raise ZeroDivisionError("oh")

    with served(source.read(), read=read) as (service, heard):
        assert not service.reload()
        assert service.reload_problem == "internal error: ZeroDivisionError: oh"
        service.run_now("a")
        heard.ended(script="a", status="done")


def test_more_scripts_run_at_once_after_a_reload_that_says_so(source):
    busy = "log('begun') while true do end"
    source.text = scripts(a=busy, b=busy)
    with served(source.read(), read=source.read) as (service, heard):
        for name in ("a", "b"):
            service.run_now(name)
        heard.until(lambda: "begun" in messages(heard))
        assert len(heard.of(ScriptRunStarted)) == 1
        source.defaults = {"parallel": 2}
        assert service.reload()
        heard.until(lambda: messages(heard).count("begun") == 2)


def test_a_plan_whose_script_is_gone_is_not_applied_and_lapses_in_time(source):
    source.text = scripts(a="return")
    with served(source.read(), read=source.read) as (service, heard):
        assert service.journal is not None
        gone, approved = (
            service.journal.keep_plan(
                b"{}",
                made=time.time(),
                config=service.config_path,
                summary="",
                script="b",
                approve_within=within,
            )
            for within in (600, 3)
        )
        for change in (service.approve, service.apply):
            with pytest.raises(Conflict, match="is of a script that is gone: b"):
                change(gone.id)
        service.journal.approve_plan(approved.id)
        heard.until(lambda: heard.of(PlanLapsed))
        assert heard.of(PlanLapsed)[0].plan.id == approved.id
        assert service.journal.plan(gone.id).state == "waiting"
        assert heard.of(ScriptRunStarted) == []


def test_mistakes_are_those_of_the_config(source):
    source.text = scripts(a="return")
    with served(source.read(), read=source.read) as (service, _):
        source.text = "scripts: {"
        with pytest.raises(ConfigError) as caught:
            source.read()
        service.reload()
        assert service.reload_problem == str(caught.value)


def test_a_change_is_read_once_also_where_somebody_asks_first(source):
    source.text = scripts(a="return")
    trace, taken = [1], []
    watch = FileWatch([Path("/etc/regbot.yml")], lambda _: tuple(trace))
    reloading = Reloading(ConfigSource("/etc/regbot.yml", source.read, watch), ignore)
    trace[0] = 2
    assert reloading.attempt(source.read(), taken.append)
    assert [reloading.has_changed(), reloading.has_changed()] == [False, False]
    trace[0] = 3
    assert [reloading.has_changed(), reloading.has_changed()] == [False, True]
    assert len(taken) == 1
