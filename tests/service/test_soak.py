"""A server with many scripts, a registry with faults, and time: nothing grows, nothing is lost.

``REGBOT_SOAK`` is how many seconds it runs.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from signal import SIGTERM
from statistics import median

import requests
from prometheus_client.parser import text_string_to_metric_families
from support.registry import TestRegistry
from support.servers import free_port
from support.watched_server import serving

from regbot.journal.opening import open_journal

SECONDS = float(os.environ.get("REGBOT_SOAK", "30"))
SCRIPTS = 50
PARALLEL = 4
CHAOS = 0.02
MOST_GROWTH = 6 * 1024
"""KiB between the first and the last third of the time after the warm-up."""
TO_SPARE = 8
"""Threads and descriptors that may come beside those seen before."""
PATIENCE = 60.0


class Registry(TestRegistry):
    """Counts its answers by status, and can keep every request waiting."""

    def __init__(self, **how):
        super().__init__(**how)
        self.answered = Counter()
        self._is_open = threading.Event()
        self._is_open.set()
        self._counting = threading.Lock()

    @contextmanager
    def still(self):
        """Answers nothing within the block: requests wait."""
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()

    def serve(self, call):
        self._is_open.wait()
        call, reply = super().serve(call)
        if not reply.close:
            with self._counting:
                self.answered[str(reply.status)] += 1
        return call, reply


def config_for(registry):
    """Rules, Lua that reads, and Lua that puts a tag and deletes another; every second."""
    scripts = []
    for number in range(SCRIPTS):
        name = f"team/app{number % 10}"
        for tag in range(4):
            registry.put_image(name, f"v{tag}", labels={"n": str(tag)})
        repository = f"{registry.host}/{name}"
        rules = {"keep": [{"tags": ["v*"], "newest": {"count": 2}}], "delete": [{"tags": ["x*"]}]}
        reads = (
            f'for _, t in ipairs(tag.ls("{repository}")) do manifest.head("{repository}:" .. t) end'
        )
        changes = (
            f'local old = "{repository}:x{number}" '
            f'manifest.put(manifest.get("{repository}:v0"), old) tag.delete(old)'
        )
        kinds = (
            {"repositories": [repository], "retention": rules},
            {"script": reads},
            {"script": changes},
        )
        kind = kinds[0 if number % 5 < 3 else 1 if number % 5 == 3 else 2]
        scripts.append({"name": f"s{number}", "interval": "1s", "timeout": "20s", **kind})
    return {
        "creds": [{"registry": registry.host, "tls": "disabled"}],
        "defaults": {"parallel": PARALLEL, "state": "state"},
        "scripts": scripts,
    }


class Pages:
    """What somebody sees who looks at the pages all the time."""

    def __init__(self, address):
        self._address = address
        self._session = requests.Session()

    def get(self, path):
        answer = self._session.get(f"http://{self._address}{path}", timeout=60)
        assert answer.status_code in (200, 503), (path, answer.status_code, answer.text)
        return answer.text

    def metrics(self):
        """The counters, by name and labels."""
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.get("/metrics"))
            for sample in family.samples
        }


def test_nothing_grows_and_nothing_is_lost(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    with (
        Registry(chaos=CHAOS, seed=1) as registry,
        serving(tmp_path, config_for(registry), "--listen", address) as server,
    ):
        server.wait_for(lambda lines: any(line["msg"] == "script finished" for line in lines))
        pages, held = Pages(address), []
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for path in ("/", "/metrics", "/readyz"):
                pages.get(path)
            held.append(server.held())
            time.sleep(0.5)
        with registry.still():
            require_added_up(pages, registry, server, tmp_path / "state")
        assert server.end(SIGTERM) == 0
        lines = server.lines
    show(held, registry, lines)
    require_no_growth(held)
    require_no_run_lost(tmp_path / "state", lines)


def show(held, registry, lines):
    """What was seen, for who runs it with ``-s``."""
    runs = sum(line["msg"] in ("script finished", "script failed") for line in lines)
    print(f"{runs} runs, {len(missed_runs(lines))} missed, {dict(registry.answered)}")
    for each in held[:: max(1, len(held) // 8)]:
        print(
            f"{each.memory} KiB, {each.threads} threads, {each.descriptors} descriptors,"
            f" {len(each.children)} children"
        )


def require_added_up(pages, registry, server, state):
    """The metrics tell what the registry, the journal and the log do.

    Of each script one run may be on record and not counted yet: its report waits for the registry.
    """
    deadline = time.monotonic() + PATIENCE
    while (counted := requests_by_code(pages.metrics())) != registry.answered:
        assert time.monotonic() < deadline, (counted, registry.answered)
        time.sleep(0.1)
    before = counts_of_runs(server, state)
    time.sleep(1)  # what is on record is counted by then, and the other way round
    metrics = pages.metrics()
    time.sleep(1)
    after = counts_of_runs(server, state)
    for key, count in after.items():
        assert before[key] - 1 <= metrics.get(key, 0) <= count, key


def requests_by_code(metrics):
    """The requests that got an answer."""
    return Counter(
        {
            min(key[1:], key=len): int(count)
            for key, count in metrics.items()
            if key[0] == "regbot_http_requests_total" and min(key[1:], key=len).isdigit() and count
        }
    )


def counts_of_runs(server, state):
    """The runs of each script in the journal by their end, and those that the log misses."""
    with open_journal(state) as journal:
        ended = [run for run in journal.script_runs.all() if run.status != "running"]
    counts = Counter(("regbot_runs_total", run.status, run.script) for run in ended)
    counts.update(("regbot_missed_runs_total", script) for script, _ in missed_runs(server.lines))
    return counts


def missed_runs(lines, why=""):
    """The runs that the log says did not take place, or late: each script, and its time."""
    return [
        (line["script"], int(datetime.fromisoformat(line["due"]).timestamp()))
        for line in lines
        if line["msg"].startswith(("skipped: ", "runs late: ")) and why in line["msg"]
    ]


def require_no_growth(held):
    """After a third of the time, all that is kept has been made; from then on nothing grows."""
    third = len(held) // 3
    before, after = held[third : 2 * third], held[2 * third :]
    seen = [(each.memory, each.threads, each.descriptors, len(each.children)) for each in held]
    growth = median(each.memory for each in after) - median(each.memory for each in before)
    assert growth < MOST_GROWTH, seen
    for what in ("threads", "descriptors"):
        most = max(getattr(each, what) for each in held[: 2 * third])
        assert max(getattr(each, what) for each in after) <= most + TO_SPARE, seen
    assert max(len(each.children) for each in held) <= PARALLEL + 1, seen
    lasting = (one.zombies & next_.zombies for one, next_ in itertools.pairwise(held))
    assert frozenset().union(*lasting) == frozenset()


def require_no_run_lost(state, lines):
    """At each second each script ran, or the log says that it didn't; never both."""
    with open_journal(state) as journal:
        ran = [(run.script, int(run.due)) for run in journal.script_runs.all()]
    missed = missed_runs(lines)
    assert len(set(ran + missed)) == len(ran) + len(missed)
    assert len({script for script, _ in ran}) == SCRIPTS
    away = set(missed_runs(lines, "its time was missed"))  # one line for several seconds
    for name in {script for script, _ in ran}:
        dues = [due for script, due in ran if script == name]
        told = {due for script, due in ran + missed if script == name}
        lost = set(range(min(told), max(dues))) - told
        before = {second: max(due for due in told if due < second) for second in lost}
        assert {due for due in before.values() if (name, due) not in away} == set(), name
