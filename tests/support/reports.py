"""Reports made by hand, plain ones and hostile ones."""

from __future__ import annotations

from typing import Any

from regbot.events import RunResult
from regbot.report.model import Report, RepositoryLine, Row

END = 1_750_000_000.0
DAY = 86400.0
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
BIDI = "safe\u202egnp.exe\u0007"
REPOSITORY = "registry.example.org/team/app"


def row(tag: str, **more: Any) -> Row:
    """A deleted tag of REPOSITORY; ``more`` are fields of Row."""
    usual: dict[str, Any] = {
        "script": "clean",
        "repository": REPOSITORY,
        "action": "delete tag",
        "reference": f"{REPOSITORY}:{tag}",
        "status": "done",
        "digest": "sha256:" + "ab" * 32,
        "reason": "older than 30 days",
        "created": END - 40 * DAY,
        "age_seconds": 40 * DAY,
        "size": 5_000_000,
    }
    return Row(**{**usual, **more})


def report(*rows: Row, **more: Any) -> Report:
    """A report of one script; ``more`` are fields of Report."""
    usual: dict[str, Any] = {
        "kind": "once",
        "dry_run": False,
        "started": END - 12,
        "finished": END,
        "version": "1.2.3",
        "runs": (RunResult("clean", "done", "", 11.5),),
        "repositories": (
            RepositoryLine(
                "clean", REPOSITORY, 10, len(rows), 10 - len(rows), bytes_only=7_000_000
            ),
        ),
        "rows": rows,
    }
    return Report(**{**usual, **more})


def hostile_report() -> Report:
    """Every text that a registry or script can choose tries to be more than text."""
    bad = f'{HOSTILE}|`"*{BIDI}'
    line = RepositoryLine(bad, bad, 3, 1, 2, bytes_only=10, unknown=(bad,))
    hostile = row("x", script=bad, reference=bad, reason=bad, detail=bad, digest=bad)
    failed = (RunResult(bad, "failed", bad, 1.0),)
    return report(hostile, runs=failed, repositories=(line,), version=bad)
