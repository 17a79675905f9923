"""Platforms: parse, print, and which image fits where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.machine import Machine
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


HERE = Platform("linux", "amd64", "v3")
WINDOWS = Platform("windows", "amd64", "", "10.0.17763")


@pytest.mark.parametrize(
    ("text", "here", "whole"),
    [
        ("arm64", HERE, "linux/arm64"),
        ("aarch64", HERE, "linux/arm64"),
        ("armhf", HERE, "linux/arm/v7"),
        ("amd64", HERE, "linux/amd64/v3"),
        ("X86_64", HERE, "linux/amd64/v3"),
        ("linux", HERE, "linux/amd64/v3"),
        ("local", HERE, "linux/amd64/v3"),
        ("linux/amd64", HERE, "linux/amd64"),
        ("windows/amd64", HERE, "windows/amd64"),
        ("arm64", WINDOWS, "windows/arm64"),
        ("amd64", WINDOWS, "windows/amd64,osver=10.0.17763"),
        ("windows", WINDOWS, "windows/amd64,osver=10.0.17763"),
        ("windows/amd64", WINDOWS, "windows/amd64,osver=10.0.17763"),
        ("windows/arm64", WINDOWS, "windows/arm64"),
        ("windows/amd64/v3", WINDOWS, "windows/amd64/v3"),
        ("windows/amd64,osver=10.0.20348.1", WINDOWS, "windows/amd64,osver=10.0.20348.1"),
        ("linux/amd64", WINDOWS, "linux/amd64"),
    ],
)
def test_what_is_left_out_is_that_of_this_machine(text: str, here: Platform, whole: str) -> None:
    """FAQ: defaults to the local Windows version when OS and architecture match."""
    assert str(Platform.parse(text, local=here)) == whole


LEVEL_2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
LEVEL_3 = f"{LEVEL_2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
LEVEL_4 = f"{LEVEL_3} avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("machine", "whole"),
    [
        (Machine("Linux", "x86_64", "#1 SMP"), "linux/amd64"),
        (Machine("Linux", "x86_64", "", frozenset(LEVEL_2.split())), "linux/amd64/v2"),
        (Machine("Linux", "x86_64", "", frozenset(LEVEL_3.split())), "linux/amd64/v3"),
        (Machine("Linux", "x86_64", "", frozenset(LEVEL_4.split())), "linux/amd64/v4"),
        (Machine("Linux", "x86_64", "", frozenset(LEVEL_4.split()) - {"avx"}), "linux/amd64/v2"),
        (Machine("Linux", "aarch64", "#1 SMP"), "linux/arm64"),
        (Machine("Linux", "armv7l"), "linux/arm/v7"),
        (Machine("Linux", "armv6l"), "linux/arm/v6"),
        (Machine("Linux", "i686"), "linux/386"),
        (Machine("Linux", ""), "linux/amd64"),
        (Machine("Darwin", "arm64", "Darwin Kernel Version 24"), "linux/arm64"),
        (Machine("Windows", "AMD64", "10.0.17763"), "windows/amd64,osver=10.0.17763"),
        (Machine("Windows", "ARM64", "10.0.22621"), "windows/arm64,osver=10.0.22621"),
    ],
)
def test_the_platform_of_a_machine(machine: Machine, whole: str) -> None:
    assert str(Platform.of(machine)) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "funix",
        "windows",
        "linux/",
        "/amd64",
        "linux/a/b/c",
        "linux/amd64,x=1",
        "linux/amd64,osver=",
    ],
)
def test_what_is_wrong_is_said(text: str) -> None:
    with pytest.raises(InvalidValue, match="platform"):
        Platform.parse(text, local=HERE)


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
    assert Platform.parse("local").fit(Platform.local())


@pytest.mark.parametrize("data", [{}, {"os": 1, "architecture": None}, {"variant": []}])
def test_json_of_any_kind_is_read(data: dict[str, object]) -> None:
    assert Platform.from_json(data) == Platform("", "")


@pytest.mark.parametrize(
    ("image", "wanted", "fits"),
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
        ("linux/arm/7", "linux/arm/v7", True),
        ("linux/arm64", "linux/arm64/v9", True),
        ("linux/ppc64le/power8", "linux/ppc64le", True),
        ("linux/ppc64le", "linux/ppc64le/power9", True),
        ("linux/ppc64le/power8", "linux/ppc64le/power9", False),
        ("windows/amd64,osver=10.0.1.5", "windows/amd64,osver=10.0.1.9", True),
        ("windows/amd64,osver=10.0.2.5", "windows/amd64,osver=10.0.1.9", False),
        ("windows/amd64", "windows/amd64,osver=10.0.1.9", True),
        ("windows/amd64,osver=10.0.2.5", "windows/amd64", True),
    ],
)
def test_what_runs_where(image: str, wanted: str, fits: bool) -> None:
    found = Platform.parse(image, local=HERE).fit(Platform.parse(wanted, local=HERE))
    assert (found is not None) is fits


@pytest.mark.parametrize(
    ("wanted", "best_first"),
    [
        ("linux/arm/v7", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
        ("linux/amd64/v4", ["linux/amd64/v4", "linux/amd64/v3", "linux/amd64"]),
        ("linux/amd64/v3", ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64"]),
        ("linux/ppc64le/power9", ["linux/ppc64le/power9", "linux/ppc64le"]),
        (
            "windows/amd64,osver=10.0.17763.1",
            [
                "windows/amd64,osver=10.0.17763.1",
                "windows/amd64,osver=10.0.17763.4974",
                "windows/amd64,osver=10.0.17763.999",
                "windows/amd64",
            ],
        ),
        (
            "windows/amd64,osver=10.0.17763",
            ["windows/amd64,osver=10.0.17763.4974", "windows/amd64,osver=10.0.17763.999"],
        ),
        (
            "windows/amd64",
            [
                "windows/amd64,osver=10.0.20348.1",
                "windows/amd64,osver=10.0.17763.4974",
                "windows/amd64,osver=10.0.17763.999",
                "windows/amd64,osver=6.3",
                "windows/amd64,osver=beta",
                "windows/amd64",
            ],
        ),
    ],
)
def test_the_best_is_chosen_wherever_it_stands(wanted: str, best_first: list[str]) -> None:
    asked = Platform.parse(wanted, local=HERE)
    fits = [Platform.parse(image, local=HERE).fit(asked) for image in best_first]
    assert None not in fits
    assert fits == sorted(set(fits), reverse=True)
