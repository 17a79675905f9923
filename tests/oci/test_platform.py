"""Platforms: parse, print, and which image suits whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.oci.platform import Platform


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/X86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("macos/arm64", "darwin/arm64"),
        ("windows/amd64,osver=10.0.17763.4974", "windows/amd64,osver=10.0.17763.4974"),
        (" linux/amd64 , osversion=1 ", "linux/amd64,osver=1"),
    ],
)
def test_usual_names(text: str, whole: str) -> None:
    assert str(Platform.parse(text)) == whole


@pytest.mark.parametrize(
    "text",
    ["", "linux", "linux/", "/amd64", "linux/a/b/c", "linux/amd64,x=1", "linux/amd64,osver="],
)
def test_what_is_wrong_is_said(text: str) -> None:
    with pytest.raises(InvalidValue, match="platform"):
        Platform.parse(text)


@given(st.text(), st.text())
def test_rubbish_is_refused_or_understood(one: str, two: str) -> None:
    for text in (one, f"{one}/{two}", f"linux/{one}", f"linux/amd64,osver={one}"):
        try:
            platform = Platform.parse(text)
        except InvalidValue:
            continue
        assert Platform.parse(str(platform)) == platform


WORDS = st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,5}){0,3}", fullmatch=True)


@given(WORDS, WORDS, WORDS | st.just(""), VERSIONS | st.just(""))
def test_parse_and_print_agree(os: str, architecture: str, variant: str, version: str) -> None:
    """FAQ: a comma separated syntax: ``windows/amd64,osver=10.0.17763.4974``."""
    text = f"{os}/{architecture}" + (f"/{variant}" if variant else "")
    try:
        platform = Platform.parse(f"{text},osver={version}" if version else text)
    except InvalidValue:
        assert variant  # such as aarch64/v8, which has a variant already
        return
    assert Platform.parse(str(platform)) == platform
    assert platform.os_version == version


def test_this_machine_has_a_platform() -> None:
    assert Platform.parse("local") == Platform.local()
    assert Platform.parse("local").suits(Platform.local())


@pytest.mark.parametrize("data", [{}, {"os": 1, "architecture": None}, {"variant": []}])
def test_json_of_any_kind_is_read(data: dict[str, object]) -> None:
    assert Platform.from_json(data) == Platform("", "")


@pytest.mark.parametrize(
    ("own", "wanted", "suits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("windows/amd64", "linux/amd64", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64/v9", "linux/arm64", False),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm", "linux/arm/v6", False),
        ("linux/amd64", "linux/amd64/v3", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/arm/odd", "linux/arm/v7", False),
        ("linux/arm/odd", "linux/arm/odd", True),
        ("windows/amd64,osver=10.0.1.5", "windows/amd64,osver=10.0.1.9", True),
        ("windows/amd64,osver=10.0.2.5", "windows/amd64,osver=10.0.1.9", False),
        ("windows/amd64", "windows/amd64,osver=10.0.1.9", True),
        ("windows/amd64,osver=10.0.2.5", "windows/amd64", True),
    ],
)
def test_what_runs_where(own: str, wanted: str, suits: bool) -> None:
    assert bool(Platform.parse(own).suits(Platform.parse(wanted))) is suits


@pytest.mark.parametrize(
    ("wanted", "best_first"),
    [
        ("linux/arm/v7", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
        ("linux/amd64/v4", ["linux/amd64/v4", "linux/amd64/v3", "linux/amd64"]),
        (
            "windows/amd64,osver=10.0.1.9",
            ["windows/amd64,osver=10.0.1.9", "windows/amd64,osver=10.0.1.1", "windows/amd64"],
        ),
    ],
)
def test_the_nearest_suits_best(wanted: str, best_first: list[str]) -> None:
    scores = [Platform.parse(own).suits(Platform.parse(wanted)) for own in best_first]
    assert scores == sorted(set(scores), reverse=True)
    assert min(scores) > 0
