"""Copies are kept up from one registry to another: what is copied, left alone and deleted."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from support.registry import DELETE_OFF, DISTRIBUTION_3, OLAREG, Fault, Quirks, TestRegistry

from regbot.config.load import load_config
from regbot.errors import Stopped
from regbot.events import BytesAhead, BytesMoved, Event, Message, RunResult, ignore, plain
from regbot.plan.carrying import planned_from
from regbot.plan.outcome import Outcome
from regbot.run.bot import Options, assemble
from regbot.stopping import Stop

APP, COPY = "team/app", "copies/app"


@dataclass
class Ran:
    """What a run came to."""

    result: RunResult
    outcomes: tuple[Outcome, ...]
    messages: list[str]
    bytes_ahead: int = 0
    bytes_moved: int = 0


@dataclass(frozen=True)
class Pair:
    """A source and a target."""

    source: TestRegistry
    target: TestRegistry
    folder: Path

    def sync(
        self,
        *,
        dry_run: bool = False,
        missing: bool = False,
        guard: Any = None,
        mirror: str = "",
        **entry: Any,
    ) -> Ran:
        """Run one entry once, from APP to COPY unless it says otherwise.

        ``mirror`` is a mirror of the source's registry.
        """
        entry = {
            "name": "copies",
            "source": f"{self.source.host}/{APP}",
            "target": f"{self.target.host}/{COPY}",
            "type": "repository",
            **({"guard": guard} if guard else {}),
            **entry,
        }
        names = dict.fromkeys(filter(None, (self.source.host, self.target.host, mirror)))
        hosts: list[dict[str, Any]] = [{"registry": name, "tls": "disabled"} for name in names]
        hosts[0] |= {"mirrors": [mirror]} if mirror else {}
        config = {"creds": hosts, "defaults": {"state": "state"}, "sync": [entry]}
        messages: list[str] = []
        counts: Counter[type[Event]] = Counter()

        def hear(event: Event) -> None:
            if isinstance(event, Message):
                messages.append(f"{event.level}: {event.text}")
            if isinstance(event, BytesAhead | BytesMoved):
                counts[type(event)] += event.count

        loaded = load_config(json.dumps(config), filename="bot.yml", environ={}, base=self.folder)
        loaded = loaded.copying_what_is_missing() if missing else loaded
        with assemble(loaded, Options(dry_run=dry_run), "", plain(hear)) as bot:
            ended = bot.run_once()
            moved = counts[BytesAhead], counts[BytesMoved]
            return Ran(ended.results[0], bot.outcomes, messages, *moved)

    def wrote(self) -> list[str]:
        """The changes that the target was asked for."""
        return [
            f"{each.method} {each.path}"
            for each in self.target.requests
            if each.method not in ("GET", "HEAD")
        ]


@pytest.fixture
def pair(tmp_path) -> Iterator[Pair]:
    with TestRegistry(DISTRIBUTION_3) as source, TestRegistry(DISTRIBUTION_3) as target:
        yield Pair(source, target, tmp_path)


def fill(registry: TestRegistry, repository: str, *tags: str) -> dict[str, str]:
    return {tag: registry.put_image(repository, tag, labels={"tag": tag}) for tag in tags}


def statuses(ran: Ran) -> dict[str, str]:
    return {str(outcome.action.reference.tag): outcome.status for outcome in ran.outcomes}


def test_the_tags_that_the_rules_take_are_copied(pair):
    tags = fill(pair.source, APP, "1.0", "1.1", "2.0", "edge")
    ran = pair.sync(tags={"allow": [r"\d+\.\d+"], "deny": ["2.*"]})
    assert ran.result.status == "done"
    assert pair.target.tags(COPY) == {"1.0": tags["1.0"], "1.1": tags["1.1"]}
    assert "info: 2 of 2 images are to be copied" in ran.messages


def test_what_is_there_costs_one_head_on_each_side(pair):
    fill(pair.source, APP, *map(str, range(20)))
    pair.sync()
    pair.source.forget()
    pair.target.forget()
    ran = pair.sync()
    assert (ran.result.status, ran.outcomes) == ("done", ())
    assert len(pair.source.asked("HEAD", "/manifests/")) == 20
    assert len(pair.target.asked("HEAD", "/manifests/")) == 20
    assert not pair.source.asked("GET", "/manifests/")
    assert not pair.wrote()


def test_a_tag_that_moved_is_copied_again_and_its_backup_before_it(pair):
    fill(pair.source, APP, "1", "2")
    pair.sync()
    old = pair.target.tags(COPY)["1"]
    new = pair.source.put_image(APP, "1", labels={"new": "yes"})
    ran = pair.sync(backup="old-{{.Ref.Tag}}")
    assert ran.result.status == "done"
    assert pair.target.tags(COPY)["1"] == new
    assert pair.target.tags(COPY)["old-1"] == old
    assert "old-2" not in pair.target.tags(COPY)


def test_a_tag_whose_backup_fails_does_not_move(pair):
    fill(pair.source, APP, "1", "2")
    pair.sync()
    before = dict(pair.target.tags(COPY))
    pair.source.put_image(APP, "1", labels={"new": "yes"})
    pair.source.put_image(APP, "2", labels={"new": "yes"})
    pair.target.break_next("status", "PUT", "manifests/old-1", status=403, times=9)
    ran = pair.sync(backup="old-{{.Ref.Tag}}")
    assert ran.result.status == "failed"
    assert pair.target.tags(COPY)["1"] == before["1"]
    assert pair.target.tags(COPY)["2"] != before["2"]


def test_a_tag_that_may_not_be_seen_does_not_move_without_its_backup(pair):
    fill(pair.source, APP, "1")
    before = fill(pair.target, COPY, "1")
    pair.source.put_image(APP, "1", labels={"new": "yes"})
    for method in ("HEAD", "GET"):
        pair.target.break_next("status", method, f"{COPY}/manifests/1", status=403, times=99)
    ran = pair.sync(backup="old-{{.Ref.Tag}}")
    assert ran.result.status == "failed"
    assert pair.target.tags(COPY) == before


def test_one_image_and_the_repositories_of_a_registry(pair):
    fill(pair.source, APP, "1", "2")
    fill(pair.source, "team/other", "1")
    fill(pair.source, "private", "1")
    pair.sync(
        source=f"{pair.source.host}/{APP}:2", target=f"{pair.target.host}/one:x", type="image"
    )
    assert set(pair.target.tags("one")) == {"x"}
    pair.sync(
        source=pair.source.host,
        target=f"{pair.target.host}/all",
        type="registry",
        repos={"allow": ["team/.*"]},
        tags={"allow": ["1"]},
    )
    assert set(pair.target.tags(f"all/{APP}")) == {"1"}
    assert set(pair.target.tags("all/team/other")) == {"1"}
    assert not pair.target.tags("all/private")


def test_one_platform_becomes_an_image_by_itself_and_only_when_it_changed(pair):
    from support.applying import index_of

    pair.source.put_index(APP, "1", index_of("linux/amd64", "linux/arm64"))
    ran = pair.sync(platform="linux/arm64")
    assert ran.result.status == "done"
    raw = pair.target.manifests(COPY)[pair.target.tags(COPY)["1"]]
    assert "layers" in json.loads(raw)
    assert pair.sync(platform="linux/arm64").outcomes == ()


def test_an_image_that_fails_stops_no_other(pair):
    tags = fill(pair.source, APP, "1", "2", "3")
    pair.source.break_next("status", "GET", f"manifests/{tags['2']}", status=404, times=9)
    ran = pair.sync()
    assert ran.result.status == "failed"
    assert f"{APP}:2" in ran.result.error
    assert set(pair.target.tags(COPY)) == {"1", "3"}


def test_a_backup_that_would_be_the_tag_itself_fails_and_the_tag_does_not_move(pair):
    fill(pair.source, APP, "1")
    before = fill(pair.target, COPY, "1")
    pair.source.put_image(APP, "1", labels={"new": "yes"})
    itself = f"{pair.target.host}/{COPY}:1".replace("127.0.0.1", "localhost")
    ran = pair.sync(backup=itself)
    assert ran.result.status == "failed"
    assert "itself" in ran.result.error
    assert pair.target.tags(COPY) == before


@pytest.mark.parametrize("backup", ["old", "old-{{.Ref.Tag}}"])
def test_a_tag_does_not_move_where_its_backup_gets_another_image_in_the_same_run(pair, backup):
    for registry, repository in ((pair.source, APP), (pair.target, COPY)):
        for tag in ("1", "2", "old-1", "old-2", "3"):
            registry.put_image(repository, tag, labels={"tag": tag})
    before = dict(pair.target.tags(COPY))
    for tag in ("1", "2"):
        pair.source.put_image(APP, tag, labels={"new": "yes"})
    new = pair.source.put_image(APP, "4")
    ran = pair.sync(backup=backup)
    assert ran.result.status == "failed"
    assert pair.target.tags(COPY) == {**before, "4": new}
    assert any("gets another image in the same run" in text for text in ran.messages)


class TestCleanUp:
    def test_tags_that_the_rules_no_longer_take_go(self, pair):
        fill(pair.source, APP, "1", "2", "edge")
        fill(pair.target, COPY, "0", "edge")
        ran = pair.sync(tags={"allow": [r"\d"]}, cleanup=True)
        assert ran.result.status == "done"
        assert set(pair.target.tags(COPY)) == {"1", "2"}
        reasons = {str(each.action.reference.tag): each.action.reason for each in ran.outcomes}
        assert f"{APP}" in reasons["0"]

    def test_nothing_goes_where_the_source_has_nothing_to_copy(self, pair):
        fill(pair.source, APP, "edge")
        fill(pair.target, COPY, "1", "2")
        ran = pair.sync(tags={"allow": [r"\d"]}, cleanup=True)
        assert set(pair.target.tags(COPY)) == {"1", "2"}
        assert any(message.startswith("warn: none of its 1 tags") for message in ran.messages)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=401),
            Fault(status=403),
            Fault(status=404),
            Fault(status=404, after=1),
            Fault("cut", after=1),
            Fault("html"),
        ],
        ids=repr,
    )
    def test_nothing_goes_where_the_source_can_not_be_listed(self, tmp_path, fault):
        with TestRegistry(Quirks(page_size=2)) as source, TestRegistry(DISTRIBUTION_3) as target:
            fill(source, APP, "1", "2", "3")
            fill(target, COPY, "1", "9")
            source.faults.plan(replace(fault, method="GET", path="tags/list", times=9))
            assert Pair(source, target, tmp_path).sync(cleanup=True).result.status == "failed"
            assert set(target.tags(COPY)) == {"1", "9"}

    def test_what_the_source_has_stays_though_a_page_of_its_list_is_missing(self, tmp_path):
        quirks = Quirks(page_size=2, link="none")
        with TestRegistry(quirks) as source, TestRegistry(DISTRIBUTION_3) as target:
            fill(source, APP, "1", "2", "3", "4")
            fill(target, COPY, "0", "1", "2", "3", "4", "old-3")
            pair = Pair(source, target, tmp_path)
            ran = pair.sync(cleanup=True, backup="old-{{.Ref.Tag}}")
            assert set(target.tags(COPY)) == {"1", "2", "3", "4", "old-3"}
            assert any("so these stay: 3 and 1 more" in text for text in ran.messages)

    def test_a_tag_that_comes_to_both_sides_meanwhile_stays(self, pair):
        fill(pair.source, APP, "1")
        fill(pair.target, COPY, "1", "9")

        def come() -> None:
            for registry, repository in ((pair.source, APP), (pair.target, COPY)):
                registry.put_image(repository, "2")

        pair.target.break_next("call", "GET", "tags/list", call=come)
        assert pair.sync(cleanup=True).result.status == "done"
        assert set(pair.target.tags(COPY)) == {"1", "2"}

    def test_nothing_goes_where_it_can_not_be_told_whether_the_source_has_it(self, pair):
        fill(pair.source, APP, "1")
        fill(pair.target, COPY, "1", "8", "9")
        pair.source.break_next("status", "HEAD", "manifests/9", status=403, times=9)
        pair.source.break_next("status", "GET", "manifests/9", status=403, times=9)
        assert pair.sync(cleanup=True).result.status == "failed"
        assert set(pair.target.tags(COPY)) == {"1", "8", "9"}

    def test_nothing_goes_where_nothing_that_is_to_stay_is_there(self, pair):
        fill(pair.source, APP, "1")
        fill(pair.target, COPY, "9")
        ran = pair.sync(cleanup=True, mediaTypes=["application/other"])
        assert set(pair.target.tags(COPY)) == {"9"}
        assert any("nothing is deleted: the target has none" in text for text in ran.messages)

    def test_a_delete_that_is_refused_fails_the_run(self, tmp_path):
        with TestRegistry(DISTRIBUTION_3) as source, TestRegistry(DELETE_OFF) as target:
            fill(source, APP, "1")
            fill(target, COPY, "1", "9")
            ran = Pair(source, target, tmp_path).sync(cleanup=True)
            assert ran.result.status == "failed"
            assert "refuses to delete" in ran.result.error
            assert set(target.tags(COPY)) == {"1", "9"}

    def test_what_a_guard_protects_stays_and_the_others_go(self, pair):
        fill(pair.source, APP, "1")
        fill(pair.target, COPY, "8", "9", "latest")
        ran = pair.sync(cleanup=True, guard={"protect": [f"{COPY}:9", "latest"]})
        assert ran.result.status == "done"
        assert set(pair.target.tags(COPY)) == {"1", "9", "latest"}

    def test_what_is_in_use_stays_and_all_where_that_is_unknown(self, pair):
        fill(pair.source, APP, "1")
        fill(pair.target, COPY, "8", "9")
        assert pair.sync(cleanup=True, inUse={"file": "uses.txt"}).result.status == "failed"
        assert set(pair.target.tags(COPY)) == {"1", "8", "9"}
        (pair.folder / "uses.txt").write_text(f"{pair.target.host}/{COPY}:9\n")
        assert pair.sync(cleanup=True, inUse={"file": "uses.txt"}).result.status == "done"
        assert set(pair.target.tags(COPY)) == {"1", "9"}

    def test_nothing_goes_where_only_a_mirror_can_list_the_source(self, pair):
        fill(pair.source, APP, "1", "2")
        pair.source.break_next("status", "GET", "tags/list", status=429, times=99)
        with TestRegistry(DISTRIBUTION_3) as mirror:
            fill(mirror, APP, "1")
            fill(pair.target, COPY, "1", "2")
            assert pair.sync(mirror=mirror.host, cleanup=True).result.status == "failed"
        assert set(pair.target.tags(COPY)) == {"1", "2"}

    def test_nothing_goes_where_a_copy_failed(self, pair):
        fill(pair.source, APP, "1", "2")
        fill(pair.target, COPY, "0")
        pair.target.break_next("status", "PUT", "manifests/2", status=403, times=9)
        assert pair.sync(cleanup=True).result.status == "failed"
        assert "0" in pair.target.tags(COPY)

    def test_backups_and_signatures_of_what_stays_are_spared(self, pair):
        tags = fill(pair.source, APP, "1")
        gone = fill(pair.target, COPY, "old-1", "old-0", "9")["9"]
        kept_signature = f"{tags['1'].replace(':', '-')}.sig"
        lost_signature = f"{gone.replace(':', '-')}.sig"
        fill(pair.target, COPY, kept_signature, lost_signature)
        pair.sync(cleanup=True, backup="old-{{.Ref.Tag}}")
        assert set(pair.target.tags(COPY)) == {"1", "old-1", kept_signature}

    def test_backups_are_spared_whichever_name_of_the_registry_is_written(self, pair):
        fill(pair.source, APP, "1")
        fill(pair.target, COPY, "old-1", "9")
        host = pair.target.host.replace("127.0.0.1", "localhost")
        pair.sync(cleanup=True, backup=f"{host}/{COPY}:old-{{{{.Ref.Tag}}}}")
        assert set(pair.target.tags(COPY)) == {"1", "old-1"}

    def test_a_guard_sees_it_before_anything_is_changed(self, pair):
        fill(pair.source, APP, "1")
        fill(pair.target, COPY, "7", "8", "9")
        ran = pair.sync(cleanup=True, guard={"maxDeletes": 2})
        assert ran.result.guarded
        assert not pair.wrote()


class TestWithAGuard:
    GUARD: ClassVar[dict[str, Any]] = {"maxDeletes": 5}

    def test_an_image_that_fails_stops_no_other_and_nothing_is_deleted(self, pair):
        fill(pair.source, APP, "1", "2", "3", "4", "5")
        fill(pair.target, COPY, "9")
        pair.target.break_next("status", "PUT", "manifests/1", status=403, times=9)
        ran = pair.sync(cleanup=True, guard=self.GUARD)
        assert ran.result.status == "failed"
        assert set(pair.target.tags(COPY)) == {"2", "3", "4", "5", "9"}
        assert statuses(ran)["9"] == "skipped"

    def test_a_tag_whose_backup_fails_does_not_move(self, pair):
        fill(pair.source, APP, "1", "2")
        before = fill(pair.target, COPY, "1", "2", "9")
        for tag in ("1", "2"):
            pair.source.put_image(APP, tag, labels={"new": "yes"})
        pair.target.break_next("status", "PUT", "manifests/old-1", status=403, times=9)
        ran = pair.sync(cleanup=True, backup="old-{{.Ref.Tag}}", guard=self.GUARD)
        after = pair.target.tags(COPY)
        assert (after["1"], after["old-2"], after["9"]) == (before["1"], before["2"], before["9"])
        assert after["2"] != before["2"]
        details = {str(each.action.reference.tag): each.detail for each in ran.outcomes}
        assert details["1"] == "its backup failed"

    def test_several_images_are_copied_at_once(self, pair):
        fill(pair.source, APP, "1", "2")
        both = threading.Barrier(2)
        for tag in ("1", "2"):
            path = f"{COPY}/manifests/{tag}$"
            pair.target.break_next("call", "PUT", path, call=lambda: both.wait(20))
        assert pair.sync(guard=self.GUARD).result.status == "done"
        assert not both.broken


def test_a_plan_keeps_the_order_of_syncs_that_copy_on_what_another_one_copies(pair):
    fill(pair.source, APP, "1")
    there = pair.target.host
    first = {"source": f"{pair.source.host}/{APP}", "target": f"{there}/{COPY}"}
    second = {"source": f"{there}/{COPY}", "target": f"{there}/on"}
    config = {
        "creds": [{"registry": host, "tls": "disabled"} for host in (pair.source.host, there)],
        "defaults": {"state": "state"},
        "sync": [{**entry, "type": "repository"} for entry in (first, second)],
    }
    fill(pair.target, COPY, "0")
    loaded = load_config(json.dumps(config), filename="bot.yml", environ={}, base=pair.folder)
    with assemble(loaded, Options(dry_run=True), "", ignore) as planning:
        planning.run_once()
    with assemble(loaded, Options(), "", ignore) as bot:
        ended = bot.apply(planned_from(planning.outcomes))
    assert ended.status == "done"
    assert set(pair.target.tags("on")) == {"0", "1"}


def test_of_what_is_missing_alone_no_tag_moves(pair):
    new = fill(pair.source, APP, "1", "2")
    before = fill(pair.target, COPY, "1", "9")
    pair.source.put_image(APP, "1", labels={"new": "yes"})
    assert pair.sync(missing=True, cleanup=True).result.status == "done"
    assert pair.target.tags(COPY) == {"1": before["1"], "2": new["2"]}
    assert not pair.source.asked("HEAD", "/manifests/1")


def test_a_dry_run_changes_nothing_and_tells_all(pair):
    fill(pair.source, APP, "1", "2")
    fill(pair.target, COPY, "9")
    ran = pair.sync(dry_run=True, cleanup=True)
    assert statuses(ran) == {"1": "planned", "2": "planned", "9": "planned"}
    assert not pair.wrote()


def test_only_referrers_that_a_filter_fits_are_copied(tmp_path):
    with TestRegistry(OLAREG) as source, TestRegistry(OLAREG) as target:
        _copies_sboms_alone(Pair(source, target, tmp_path))


def _copies_sboms_alone(pair: Pair) -> None:
    digest = fill(pair.source, APP, "1")["1"]
    sbom = pair.source.put_artifact(APP, digest, artifact_type="application/spdx+json")
    other = pair.source.put_artifact(APP, digest, artifact_type="application/other")
    pair.sync(referrers=True, referrerFilters=[{"artifactType": "application/spdx+json"}])
    assert sbom in pair.target.manifests(COPY)
    assert other not in pair.target.manifests(COPY)


class TestBlobsThatImagesShare:
    def fill(self, pair: Pair, *repositories: str) -> None:
        for repository in repositories:
            for number in range(6):
                pair.source.put_image(repository, str(number), labels={"n": str(number)})

    def uploads(self, pair: Pair) -> int:
        return len([each for each in pair.target.asked("PUT") if "/blobs/uploads/" in each.path])

    def test_each_is_sent_once(self, pair):
        self.fill(pair, APP)
        assert pair.sync().result.status == "done"
        assert len(pair.target.tags(COPY)) == 6
        assert self.uploads(pair) == len(pair.target.blobs(COPY))

    def test_every_byte_is_told_once(self, pair):
        self.fill(pair, APP)
        ran = pair.sync()
        assert ran.bytes_ahead == ran.bytes_moved > 0

    def test_in_another_repository_it_is_mounted(self, pair):
        self.fill(pair, APP, "team/other")
        entry = {
            "source": pair.source.host,
            "type": "registry",
            "target": f"{pair.target.host}/all",
        }
        assert pair.sync(**entry).result.status == "done"
        there = {*pair.target.blobs(f"all/{APP}"), *pair.target.blobs("all/team/other")}
        assert self.uploads(pair) == len(there)
        assert pair.target.asked("POST", "mount=")

    def test_a_run_after_one_that_was_cut_off_sends_what_is_missing(self, pair):
        self.fill(pair, APP)
        pair.target.break_next("status", "PUT", "manifests/3", status=403, times=9)
        assert pair.sync().result.status == "failed"
        pair.target.forget()
        pair.target.faults.clear()
        assert pair.sync().result.status == "done"
        assert self.uploads(pair) == 0
        assert len(pair.target.tags(COPY)) == 6


class TestTheSameRegistryTwice:
    def test_a_repository_is_not_copied_to_itself(self, pair):
        fill(pair.target, COPY, "1", "2")
        place = f"{pair.target.host}/{COPY}"
        elsewhere = place.replace("127.0.0.1", "localhost")
        ran = pair.sync(source=place, target=elsewhere, tags={"allow": ["1"]}, cleanup=True)
        assert ran.result.status == "failed"
        assert "is the source and the target" in ran.result.error
        assert set(pair.target.tags(COPY)) == {"1", "2"}

    def test_no_copies_of_copies_are_made(self, pair):
        fill(pair.target, APP, "1")
        entry = {
            "type": "registry",
            "source": pair.target.host,
            "target": f"{pair.target.host}/copies",
        }
        for _ in range(2):
            assert pair.sync(**entry).result.status == "done"
        assert set(pair.target.tags(f"copies/{APP}")) == {"1"}
        assert not pair.target.tags(f"copies/copies/{APP}")


@pytest.mark.parametrize("guard", [None, {"maxDeletes": 5}], ids=["as it comes", "judged first"])
def test_a_copy_waits_until_enough_pulls_are_left(tmp_path, guard):
    waited = []

    def end(_stop, seconds):
        waited.append(seconds)
        raise Stopped("nobody waits here")

    with (
        TestRegistry(DISTRIBUTION_3, rate_limit=50) as source,
        TestRegistry(DISTRIBUTION_3) as target,
        patch.object(Stop, "wait", end),
    ):
        fill(source, APP, "1.0")
        pair = Pair(source, target, tmp_path)
        ran = pair.sync(ratelimit={"min": 100, "retry": "15m"}, guard=guard)
        assert ran.result.status == "stopped"
        assert pair.wrote() == []
    assert waited == [900.0]
    assert "info: waiting until 100 pulls remain, now 50" in ran.messages
