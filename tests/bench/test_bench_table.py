"""scripts/bench with tiny counts: its table, its JSON and its chart have what they promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.command import REGBOT
from support.postgres import postgres
from support.servers import program

ROOT = Path(__file__).parents[2]


def bench(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """What ``python -m benchmark`` prints and writes."""
    path = [ROOT / "scripts", ROOT / "tests"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    variables = {name: value for name, value in variables.items() if name[:4] != "REGB"}
    command = [sys.executable, "-m", "benchmark", "--json", str(folder / "all.json"), *arguments]
    done = subprocess.run(
        command, env=variables, cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "all.json").read_text())


def by_name(data: dict[str, Any], program_name: str) -> dict[str, dict[str, Any]]:
    return {row["work"]: row for row in data["rows"] if row["program"] == program_name}


def test_scans_and_deletes_of_a_real_registry(tmp_path):
    program("docker-registry")
    counts = ("--tags", "5", "--deletes", "2", "--delays", "0", "--runs", "1")
    only = ("--only", "empty,scan,report,delete,guard,plan")
    chart = tmp_path / "chart.svg"
    table, data = bench(tmp_path, *counts, *only, "--chart", str(chart))
    rows = by_name(data, "regbot")
    assert {name for name in rows if "Python" not in name} == {
        "once, empty script",
        "scan 5 tags, cold",
        "scan 5 tags, warm",
        "report on 5 tags",
        *(
            f"delete 2 of 52 tags, {how}"
            for how in ("one after the other", "guard", "plan and apply")
        ),
    }
    for row in rows.values():
        assert row["wall_s"] > 0
        assert row["cpu_s"] > 0
        assert row["peak_kib"] > 1000
        assert (row["delay_ms"], row["runs"]) == (0, 1)
    assert rows["once, empty script"]["requests"] == {}
    assert rows["scan 5 tags, cold"]["requests"]["GET"] >= 10
    assert sum(rows["delete 2 of 52 tags, guard"]["requests"].values()) >= 4
    assert "load before" in data["machine"]
    for name in rows:
        assert f"| {name} " in table
    assert ET.parse(chart).getroot().tag.endswith("svg")


def test_a_copy_is_held_against_skopeo(tmp_path):
    program("docker-registry")
    program("skopeo")
    sizes = ("--tags", "1", "--mebibytes", "4", "--delays", "0,1", "--runs", "1")
    _, data = bench(tmp_path, *sizes, "--only", "copy")
    counted = {
        (row["program"], row["delay_ms"]): row["requests"]
        for row in data["rows"]
        if row["program"] in ("regbot", "skopeo")
    }
    assert counted.keys() == {("regbot", 0), ("skopeo", 0), ("regbot", 1), ("skopeo", 1)}
    assert counted["regbot", 0] is None
    assert counted["regbot", 1]["PUT"] >= 6


def test_a_long_list_of_tags_is_counted_to_its_end(tmp_path):
    """The tests' registry gives 1,000 tags at a time, as distribution 3 does."""
    _, data = bench(tmp_path, "--growth", "--tags", "1200", "--only", "delete")
    assert list(by_name(data, "regbot")) == ["delete 120 of 1200 tags, one after the other"]


def test_many_repositories_by_workers(tmp_path):
    """The rows stand together, so that their ratios are those of one run."""
    program("docker-registry")
    with postgres():
        pass
    table, data = bench(tmp_path, "--quick", "--repositories", "3", "--only", "cluster")
    works = ("HEAD of 10 tags in 3 repositories", "nothing in 3 repositories")
    assert [(row["work"], row["program"]) for row in data["rows"]] == [
        (work, f"regbot, {how}")
        for work in works
        for how in ("in one process", "one worker", "two workers")
    ]
    for row in data["rows"]:
        assert row["delay_ms"] == 20
        assert row["cpu_s"] > 0
        tags = 30 if row["work"] == works[0] else 0
        assert sum(row["requests"].values()) >= tags
    unit, second = data["notes"]
    assert unit.startswith("regbot: a unit takes ")
    assert second.startswith("regbot: two workers need ")
    assert f"- {unit}\n- {second}" in table


def test_without_postgresql_workers_are_left_out_with_the_reason(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmark.cluster import measure_cluster
    from benchmark.results import Results
    from benchmark.site import Sizes

    def missing(name: str) -> str:
        pytest.skip(f"{name} is not installed")

    monkeypatch.setattr("support.postgres._program", missing)
    results = Results({})
    measure_cluster("docker-registry", Sizes(), [], 1, results)
    assert "- cluster: initdb is not installed" in results.table()


def test_a_checkout_is_named_by_a_path_from_here(tmp_path):
    program("docker-registry")
    folder = tmp_path / "before" / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "regbot").symlink_to(REGBOT)
    counts = ("--quick", "--delays", "0", "--only", "empty")
    _, data = bench(tmp_path, *counts, "--root", "before")
    assert "once, empty script" in by_name(data, "before")


def test_growth(tmp_path):
    _, data = bench(tmp_path, "--growth", "--tags", "3,20")
    rows = by_name(data, "regbot")
    for count in (3, 20):
        for work in (
            f"list {count} tags",
            f"scan {count} tags, cold",
            f"delete {count // 10} of {count} tags, one after the other",
            f"delete {count - count // 10} of {count} tags, one after the other",
            f"list {count} tags of a layout folder",
            f"scan {count} tags of a layout folder",
            f"delete {count * 9 // 10} of {count} tags of a layout folder",
        ):
            assert work in rows
    assert data["left_out"] == [reason for reason in data["left_out"] if "readahead" in reason]


@pytest.mark.parametrize("chart", [True, False])
def test_a_table_is_drawn_again_from_its_json(tmp_path, chart):
    row = {"work": "scan", "delay_ms": 20, "wall_s": 2.0, "cpu_s": 1.0, "peak_kib": 2048}
    rows = [
        {**row, "program": "regbot", "requests": {"GET": 7}, "runs": 3},
        {**row, "program": "skopeo", "requests": None, "runs": 1, "wall_s": 5.0},
    ]
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"machine": {"registry": "some"}, "rows": rows, "left_out": ["x"]}))
    drawn = tmp_path / "chart.svg"
    table, data = bench(tmp_path, "--from", str(known), *(["--chart", str(drawn)] if chart else []))
    assert data["rows"] == rows
    lines = [line.split("|") for line in table.splitlines() if line.startswith("| scan")]
    assert [[cell.strip() for cell in line[1:-1]] for line in lines] == [
        ["scan", "20 ms", "regbot", "2.00 s", "1.00 s", "7", "2 MiB", "3", "1.00"],
        ["scan", "20 ms", "skopeo", "5.00 s", "1.00 s", "-", "2 MiB", "1", "2.50"],
    ]
    assert "- x" in table
    assert drawn.exists() == chart


def test_tables_of_several_runs_become_one(tmp_path):
    """Rows of the same work stand together, shorter round trips first."""
    row = {"wall_s": 2.0, "cpu_s": 1.0, "peak_kib": 1, "requests": {}, "runs": 1}
    for name, delays in (("a", (0, 50)), ("b", (20,))):
        rows = [
            {**row, "work": work, "delay_ms": delay, "program": "regbot"}
            for work in ("scan", "copy")
            for delay in delays
        ]
        text = json.dumps({"machine": {"registry": name}, "rows": rows, "left_out": ["x"]})
        (tmp_path / name).write_text(text)
    table, data = bench(tmp_path, "--from", str(tmp_path / "a"), "--from", str(tmp_path / "b"))
    assert [(row["work"], row["delay_ms"]) for row in data["rows"]] == [
        (work, delay) for work in ("scan", "copy") for delay in (0, 20, 50)
    ]
    assert data["machine"] == {"registry": "a"}
    assert table.count("- x") == 1
