"""What a tag is taken for. Whatever isn't surely a build is never proposed to be deleted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.oci.patterns import Pattern
from regbot.oci.tag import Tag
from regbot.proposal.kinds import Series, kind_of


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        *((name, "moving") for name in ("latest", "stable", "main", "edge", "dev", "nightly")),
        *((name, "release") for name in ("v1.2.3", "1.2", "3", "v1.2.3-rc.1", "1.27-alpine")),
        *((name, "other") for name in ("20261128", "release-12", "rel-3", "team1", "prod-7")),
        *((name, "other") for name in ("pr-7-fix2", "build-029-a", "dev-v2", "test-v1.2.3")),
        *((name, "build") for name in ("build-1", "pr-12", "ci-main-17", "sha-0a1b2c3", "pr12")),
        *((name, "build") for name in ("nightly-2026-11-28", "snapshot.4", "dev-20261128")),
        (f"sha256-{'0' * 64}.sig", "signature"),
    ],
)
def test_what_a_tag_is_by_its_name(tag, kind):
    assert kind_of(Tag(tag)) == kind


@pytest.mark.parametrize("tag", ["build-1", "ci-main-17", "sha-0a1b2c3", "nightly-2026-11-28"])
def test_the_pattern_of_a_series_fits_its_tags_and_no_others(tag):
    series = Series.of(Tag(tag))
    pattern = Pattern.parse(series.pattern)
    assert pattern.fits(tag)
    assert all(pattern.fits(series.tag(number)) for number in range(1, 29))
    for other in (f"{tag}-1", f"x{tag}", "latest", "v1.2.3", tag.replace("1", "v1")):
        assert not pattern.fits(other) or other == tag


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
def test_what_looks_like_a_version_is_never_a_build(name):
    series = Series.of(Tag(name))
    if series:
        assert Pattern.parse(series.pattern).fits(name)
        assert not re.search(r"\d\.\d", name)
        assert not re.fullmatch(r"v?\d.*", name)
