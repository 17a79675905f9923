"""/metrics: what is counted, by which labels, and that Prometheus can read it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from support.applying import bot_in
from support.configs import load
from support.registry import DISTRIBUTION_3
from support.serverprocess import make_due, serving
from support.servers import program
from support.sharedunits import shared_units
from support.sites import FakeService, listening

from regbot.errors import StorageError
from regbot.events import Delayed, Exchanged, InRun, PullsLeft, RunMissed, Spared
from regbot.journal.records import PlanRecord, ScriptRun
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.outcome import ActionDone, Outcome
from regbot.run.service_events import ConfigReloaded, ScriptRunEnded
from regbot.serve.families import FAMILIES
from regbot.serve.metrics import MOST_HOSTS

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "examples" / "prometheus-alerts.yml"
DASHBOARD = ROOT / "examples" / "grafana-dashboard.json"
SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")

CONFIG = load(
    """
    creds: [{registry: registry.example.org}]
    scripts: [{name: a, script: 'return 1', interval: 1h}]
    """
)


@pytest.fixture
def place():
    with listening(FakeService(CONFIG)) as place:
        yield place


def samples(text):
    """The value of each series, by its name and its labels in order."""
    matches = [SAMPLE.fullmatch(line) for line in text.splitlines() if not line.startswith("#")]
    return {
        (match["name"], *re.findall(r'"((?:[^"\\]|\\.)*)"', match["labels"] or "")): float(
            match["value"]
        )
        for match in matches
    }


def shown(place):
    answer = place.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.text)


def tell(place, *events):
    for event in events:
        place.site.metrics.listen(event)
    return shown(place)


def exchanged(host, status=200):
    return Exchanged(host, "GET", f"https://{host}/v2/", status, 0.2)


def action_done(status, *, is_trial=False, script="a"):
    action = DeleteTag(Reference.parse("registry.example.org/team/app:old"))
    return ActionDone(Outcome(script, action, status), dry_run=False, is_trial=is_trial)


def run_ended(status="done", script="a", **more):
    run = ScriptRun("1", script, "server", "", 100.0, ended=107.0, status=status, **more)
    return ScriptRunEnded(run)


def test_each_script_and_host_of_the_config_begins_at_0(place):
    series = shown(place)
    for result in ("done", "failed", "stopped"):
        assert series["regbot_runs_total", result, "a"] == 0
    for name in ("missed_runs", "guard_stops", "bytes_freeable"):
        assert series[f"regbot_{name}_total", "a"] == 0
    assert series["regbot_run_duration_seconds_count", "a"] == 0
    for verb in ("delete tag", "delete manifest", "copy image", "put manifest"):
        for result in ("done", "planned", "unchanged", "skipped", "failed", "stopped"):
            assert series["regbot_actions_total", verb, result, "a"] == 0
    assert series["regbot_backoff_seconds_total", "registry.example.org"] == 0
    assert series[("regbot_cache_hits_total",)] == 0


def test_a_script_that_a_new_config_adds_begins_at_0_too(place):
    added = load("scripts: [{name: a, script: 'return 1'}, {name: b, script: 'return 1'}]")
    series = tell(place, run_ended(), ConfigReloaded(added))
    assert series["regbot_runs_total", "failed", "b"] == 0
    assert series["regbot_runs_total", "done", "a"] == 1


def test_runs_are_counted_by_how_they_ended_with_their_time(place):
    failed = run_ended("failed", guarded=True)
    series = tell(place, run_ended(), run_ended(), failed)
    assert series["regbot_runs_total", "done", "a"] == 2
    assert series["regbot_runs_total", "failed", "a"] == 1
    assert series["regbot_guard_stops_total", "a"] == 1
    assert series["regbot_run_duration_seconds_sum", "a"] == 21
    assert series["regbot_run_duration_seconds_bucket", "5.0", "a"] == 0
    assert series["regbot_run_duration_seconds_bucket", "15.0", "a"] == 3


def test_what_can_be_freed_counts_once_it_was_deleted(place):
    made_plan = run_ended(counts={"planned": 2}, freeable=1000, plan="1")
    applied = run_ended(counts={"done": 2}, freeable=1000, plan="1")
    unknown = run_ended(counts={"done": 1})
    series = tell(place, made_plan, applied, unknown)
    assert series["regbot_bytes_freeable_total", "a"] == 1000


def test_actions_are_counted_and_a_trials_plans_are_not(place):
    trial = action_done("planned", is_trial=True)
    series = tell(place, trial, action_done("done"), InRun("1", "a", action_done("failed")))
    assert series["regbot_actions_total", "delete tag", "planned", "a"] == 0
    assert series["regbot_actions_total", "delete tag", "done", "a"] == 1
    assert series["regbot_actions_total", "delete tag", "failed", "a"] == 1


def test_missed_runs_and_cache_hits_are_counted(place):
    missed = RunMissed("a", datetime(2026, 1, 1, tzinfo=UTC), "why", is_late=True)
    series = tell(place, missed, Spared("cache"), Spared("cache"), Spared("read-ahead"))
    assert series["regbot_missed_runs_total", "a"] == 1
    assert series[("regbot_cache_hits_total",)] == 2


def test_requests_are_counted_by_host_and_status(place):
    host = "registry.example.org"
    series = tell(
        place,
        InRun("1", "a", exchanged(host)),
        exchanged(host),
        exchanged(host, 404),
        exchanged(host, 0),
        exchanged(host, 799),
    )
    assert series["regbot_http_requests_total", "200", host] == 2
    assert series["regbot_http_requests_total", "404", host] == 1
    assert series["regbot_http_requests_total", "none", host] == 1
    assert series["regbot_http_requests_total", "other", host] == 1
    assert series["regbot_http_request_duration_seconds_count", host] == 5
    assert series["regbot_http_request_duration_seconds_bucket", host, "0.1"] == 0


def test_waiting_counts_where_the_registry_asked_for_it(place):
    host = "registry.example.org"
    series = tell(
        place,
        Delayed(host, 2.5, "status 429", is_backoff=True),
        Delayed(host, 9.0, "requests per second"),
        PullsLeft(host, 76),
        PullsLeft(host, 75),
    )
    assert series["regbot_backoff_seconds_total", host] == 2.5
    assert series["regbot_ratelimit_remaining", host] == 75


def test_hosts_can_not_make_endless_series(place):
    strangers = [exchanged(f"host{number}.example.org") for number in range(1000)]
    series = tell(place, *strangers, exchanged("registry.example.org"))
    hosts = {labels[-1] for name, *labels in series if name == "regbot_http_requests_total"}
    assert len(hosts) == MOST_HOSTS + 2
    assert series["regbot_http_requests_total", "200", "other"] == 1000 - MOST_HOSTS
    assert series["regbot_http_requests_total", "200", "registry.example.org"] == 1


def test_an_unknown_script_has_no_series_of_its_own(place):
    series = tell(place, run_ended(script="a, b"), run_ended(script="c, d"), action_done("done"))
    assert series["regbot_runs_total", "done", "other"] == 2
    assert series["regbot_actions_total", "delete tag", "done", "a"] == 1


def test_no_label_holds_a_tag_or_a_repository():
    labels = {label for family in FAMILIES for label in family.labels}
    assert labels == {"script", "result", "action", "host", "code", "version", "state"}


def test_times_of_scripts_are_those_of_the_service():
    def state(name, success, at):
        upcoming = SimpleNamespace(at=datetime.fromtimestamp(at, UTC)) if at else None
        script = SimpleNamespace(name=name)
        return SimpleNamespace(script=script, last_success=success, upcoming=upcoming)

    service = FakeService(CONFIG, shown=(state("a", 100.0, 200.0), state("off", None, None)))
    with listening(service) as place:
        series = shown(place)
        assert series["regbot_last_success_timestamp_seconds", "a"] == 100
        assert series["regbot_next_run_timestamp_seconds", "a"] == 200
        assert not [key for key in series if "off" in key]
        service.shown = (state("a", 150.0, 300.0),)
        assert shown(place)["regbot_last_success_timestamp_seconds", "a"] == 150


def test_a_name_is_escaped():
    config = load("scripts: [{name: 'a\"}\\ 1', script: 'return 1', interval: 1h}]")
    with listening(FakeService(config)) as place:
        text = place.get("/metrics").text
    assert 'regbot_missed_runs_total{script="a\\"}\\\\ 1"} 0.0' in text.splitlines()


class PlansWait:
    """A journal in which a plan of each of these scripts waits for approval."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.error = None

    def plans_in(self, state, config):
        if self.error:
            raise self.error
        assert (state, config) == ("waiting", "/etc/regbot/regbot.yml")
        return [PlanRecord(name, 1.0, config, "", name, "waiting") for name in self.scripts]


@pytest.fixture
def shared(tmp_path):
    shared = shared_units(tmp_path / "units.sqlite")
    yield shared
    shared.database.close()


def test_plans_that_wait_are_counted_for_each_script_that_needs_approval():
    config = load(
        """
        scripts:
          - {name: a, script: 'return 1', interval: 1h, approve: true}
          - {name: b, script: 'return 1', interval: 1h, approve: true}
          - {name: c, script: 'return 1', interval: 1h}
        """
    )
    journal = PlansWait("b", "gone")
    with listening(FakeService(config, journal=journal)) as place:
        series = shown(place)
        waiting = {key[1]: value for key, value in series.items() if "plans_waiting" in key[0]}
        assert waiting == {"a": 0, "b": 1, "other": 1}
        journal.error = StorageError("the disk is gone")
        assert "regbot_plans_waiting" not in {name for name, *_ in shown(place)}


def test_units_that_wait_and_run_are_those_of_the_config(shared):
    done, running, *_ = shared.hand_out("r1", "app", "api", "web", "db", fingerprint="mine")
    shared.hand_out("r2", "app", fingerprint="another's")
    shared.end(done)
    shared.take(running)
    config = replace(CONFIG, fingerprint="mine")
    with listening(FakeService(config), units=shared.units) as place:
        series = shown(place)
        assert series["regbot_units", "waiting"] == 2
        assert series["regbot_units", "running"] == 1
        shared.units.cancel("r1")
        assert shown(place)["regbot_units", "waiting"] == 0
        shared.database.run("DROP TABLE unit")
        series = shown(place)
        assert "regbot_units" not in {name for name, *_ in series}
        assert series["regbot_missed_runs_total", "a"] == 0


def test_without_a_database_there_are_no_units_and_without_a_journal_no_plans(place):
    text = place.get("/metrics").text
    assert "regbot_units" not in text
    assert "regbot_plans_waiting" not in text


def test_all_metrics_of_the_docs_are_there_and_no_other(shared):
    with listening(FakeService(CONFIG, journal=PlansWait("a")), units=shared.units) as place:
        for event in (exchanged("a"), PullsLeft("a", 1)):
            place.site.metrics.listen(event)
        text = place.get("/metrics").text
    told = set(re.findall(r"^# TYPE (regbot_\w+) ", text, re.MULTILINE))
    assert told == {family.name for family in FAMILIES}
    assert "_created" not in text


def counted(server):
    """The metrics once a run has been counted, which is just after it is in the history."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = server.get("/metrics").text
        if samples(text)["regbot_run_duration_seconds_count", "clean"]:
            return text
        time.sleep(0.05)
    raise AssertionError(server.log)


@pytest.fixture(scope="module")
def scrape(tmp_path_factory):
    """What a real server shows after a run, and the requests that its registry saw."""
    folder = tmp_path_factory.mktemp("server")
    with bot_in(folder, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        bot.registry.break_next(status=503, times=2)
        bot.configure(interval="1h", guard={"maxDeletes": 5})
        make_due(folder / "bot.yml")
        with serving(folder / "bot.yml") as server:
            run = server.ended("clean")
            text = counted(server)
            yield SimpleNamespace(
                text=text, run=run, requests=list(bot.registry.requests), host=bot.registry.host
            )


def test_metrics_of_a_real_server_add_up(scrape):
    series = samples(scrape.text)
    assert scrape.run.status == "done"
    assert series["regbot_runs_total", "done", "clean"] == 1
    assert series["regbot_actions_total", "delete tag", "done", "clean"] == 3
    assert series["regbot_actions_total", "delete tag", "planned", "clean"] == 0
    assert series["regbot_last_success_timestamp_seconds", "clean"] == scrape.run.ended
    assert series["regbot_next_run_timestamp_seconds", "clean"] > scrape.run.ended
    assert series["regbot_bytes_freeable_total", "clean"] > 0
    assert series["regbot_backoff_seconds_total", scrape.host] > 0
    counted = {
        labels[0]: value
        for (name, *labels), value in series.items()
        if name == "regbot_http_requests_total"
    }
    assert sum(counted.values()) == len(scrape.requests)
    assert counted["503"] == 2
    assert series["regbot_http_request_duration_seconds_count", scrape.host] == len(scrape.requests)


def promtool(*arguments, text=""):
    return subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_prometheus_finds_no_fault_with_the_metrics(scrape):
    done = promtool("check", "metrics", text=scrape.text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_prometheus_finds_no_fault_with_the_alerts():
    done = promtool("check", "rules", "--lint-fatal", str(ALERTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_when_they_should():
    done = promtool("test", "rules", str(Path(__file__).with_name("alerts.test.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def known_names(scrape):
    """All names that a server's series have."""
    return (
        {name for name, *_ in samples(scrape.text)} | {family.name for family in FAMILIES} | {"up"}
    )


def names_in(expression):
    return set(re.findall(r"\b(?:regbot|process)_\w+|\bup\b", expression))


def test_alerts_and_dashboard_name_only_metrics_that_are_there(scrape):
    known = known_names(scrape)
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    for expression in [rule["expr"] for rule in rules] + expressions():
        assert names_in(expression), expression
        assert names_in(expression) <= known, expression


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions():
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_the_dashboard_shows_every_metric(scrape):
    named = set().union(*map(names_in, expressions()))
    shown = {re.sub("_bucket$", "", name) for name in named}
    assert {family.name for family in FAMILIES} <= shown


def test_panels_have_numbers_of_their_own_and_do_not_overlap():
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x + at["x"], y + at["y"]) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__\w+", "5m", expression)}
        for number, expression in enumerate(expressions())
    ]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
