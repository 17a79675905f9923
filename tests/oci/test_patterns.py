"""Patterns of tags and repositories."""

import pytest

from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern


@pytest.mark.parametrize(
    ("text", "fitting", "others"),
    [
        ("v1", ["v1"], ["v10", "av1", "V1"]),
        ("v*", ["v", "v1.0"], ["av1"]),
        ("team/*", ["team/app", "team/a/b"], ["team", "other/team/app"]),
        ("v[0-9]", ["v1"], ["v", "v10"]),
        ("a.c", ["a.c"], ["abc"]),
        (r"regex:v\d+|latest", ["v1", "v10", "latest"], ["v1.0", "v", "not-latest"]),
        ("regex:(?!ci-).*", ["v1"], ["ci-1"]),
    ],
)
def test_a_pattern_fits_whole_names(text, fitting, others):
    pattern = Pattern.parse(text)
    assert [name for name in (*fitting, *others) if pattern.fits(name)] == fitting


@pytest.mark.parametrize("text", ["v1", "team/app", "1.2.3-rc_1"])
def test_a_name_is_a_pattern_of_itself(text):
    assert Pattern.parse(text).is_plain


@pytest.mark.parametrize("text", ["v*", "v?", "[v]1", "regex:v1"])
def test_what_may_fit_other_names_is_not_plain(text):
    assert not Pattern.parse(text).is_plain


@pytest.mark.parametrize("text", ["", "regex:", "regex:(", "regex:a{2,1}", "regex:*"])
def test_a_broken_pattern_is_refused(text):
    with pytest.raises(InvalidValue):
        Pattern.parse(text)


def test_groups_that_take_no_part_are_empty():
    assert Pattern.of_expression("ci-(a)?(b)?").groups("ci-b") == ("", "b")


def test_an_expression_that_takes_ages_is_an_error():
    slow = Pattern.parse("regex:(?:a|a|aa)+")
    with pytest.raises(InvalidValue, match="takes too long to be tried on aaa"):
        slow.fits("a" * 120 + "b")
