"""The metrics: names, labels and meanings. docs/server.md has the same table."""

from __future__ import annotations

from regbot.values import dataclass

NO_ANSWER = "none"
"""The code of a request that got no answer."""
OTHER = "other"
"""What a label has for all that get no series of their own."""


@dataclass(frozen=True, slots=True)
class Family:
    """The series of one name. Prometheus is told the meaning."""

    name: str
    labels: tuple[str, ...]
    meaning: str


RUNS = Family(
    "regbot_runs_total",
    ("script", "result"),
    "Runs that ended, by their result: done, failed or stopped.",
)
RUN_SECONDS = Family(
    "regbot_run_duration_seconds", ("script",), "How long runs took, as a histogram."
)
LAST_SUCCESS = Family(
    "regbot_last_success_timestamp_seconds",
    ("script",),
    "When a run last ended well, in seconds since 1970. Missing for a script that never did.",
)
NEXT_RUN = Family(
    "regbot_next_run_timestamp_seconds", ("script",), "When the next run begins by its schedule."
)
MISSED = Family(
    "regbot_missed_runs_total",
    ("script",),
    "Runs that did not begin when they were due, also those that were made up for.",
)
ACTIONS = Family(
    "regbot_actions_total",
    ("script", "action", "result"),
    "Actions, by what they do, such as delete tag, and their outcome, such as done.",
)
GUARD_STOPS = Family(
    "regbot_guard_stops_total", ("script",), "Runs that failed because their guard stopped them."
)
FREEABLE = Family(
    "regbot_bytes_freeable_total",
    ("script",),
    "Bytes that garbage collection could free after the deletes, at most.",
)
REQUESTS = Family(
    "regbot_http_requests_total",
    ("host", "code"),
    f"Requests to registries, by the status of the answer; {NO_ANSWER} stands for no answer.",
)
REQUEST_SECONDS = Family(
    "regbot_http_request_duration_seconds",
    ("host",),
    "How long it took until an answer began, as a histogram.",
)
BACKOFF = Family(
    "regbot_backoff_seconds_total",
    ("host",),
    "How long requests waited because the registry had failed or asked for patience.",
)
PULLS_LEFT = Family(
    "regbot_ratelimit_remaining",
    ("host",),
    "Pulls that the registry still allowed when it last said so.",
)
CACHE_HITS = Family("regbot_cache_hits_total", (), "Requests that the cache made unnecessary.")
PLANS_WAITING = Family(
    "regbot_plans_waiting", ("script",), "Plans that wait for approval. Missing in a dry run."
)
UNITS = Family(
    "regbot_units",
    ("state",),
    "Units of this config: waiting for a worker, or running. With a database as state alone.",
)
BUILD = Family("regbot_build_info", ("version",), "1, with the version of regbot.")

FAMILIES = (
    *(RUNS, RUN_SECONDS, LAST_SUCCESS, NEXT_RUN, MISSED, ACTIONS, GUARD_STOPS, FREEABLE),
    *(REQUESTS, REQUEST_SECONDS, BACKOFF, PULLS_LEFT, CACHE_HITS, PLANS_WAITING, UNITS, BUILD),
)
