"""--update writes what happened into the file, and nothing else changes."""

import stat

import pytest
from support.suites import APP, DELETE_OLD, results_of

from regbot.errors import UsageError
from regbot.testing.update import update_file

HEAD = f"""\
# Written by hand, and to stay so.
repositories:
  {APP}:
    tags: {{old: 40d, older: 50d, new: 2d}}   # three
script: |{DELETE_OLD.replace(chr(10), chr(10) + "  ")}
tests:
"""


def updated(folder, tests):
    results = list(results_of(folder, HEAD + tests).values())
    count = update_file(folder / "it_test.yml", results)
    text = (folder / "it_test.yml").read_text()
    assert text.startswith(HEAD)
    again = results_of(folder, text).values()
    assert [result.problems for result in again] == [()] * len(results)
    return count, text.removeprefix(HEAD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "  - name: a\n    expect: {}\n",
            "  - name: a\n    expect:\n      deleted: [old, older]\n",
        ),
        (
            "  - name: a   # no expectation\n",
            "  - name: a   # no expectation\n    expect:\n      deleted: [old, older]\n",
        ),
        (
            (
                "  - name: a\n    expect:\n      # what goes\n      deleted: [new]\n"
                "      # what stays\n      kept: [new]   # always\n"
            ),
            (
                "  - name: a\n    expect:\n      # what goes\n      deleted: [old, older]\n"
                "      # what stays\n      kept: [new]   # always\n"
            ),
        ),
        (
            (
                "  - name: a\n    expect:\n      deleted:\n        - old\n"
                "      kept: [new, older]\n      requests: 1\n\n"
                "  # the next one\n  - name: b\n    expect: {deleted: [o*]}\n"
            ),
            (
                "  - name: a\n    expect:\n      deleted: [old, older]\n      kept: [new]\n"
                "      requests: 9\n\n  # the next one\n  - name: b\n    expect: {deleted: [o*]}\n"
            ),
        ),
        (
            (
                "  - name: a\n    script: \"error('no: #1')\"\n    expect: {kept: [old]}\n"
                "  - {name: b, expect: {deleted: ['o*']}}\n"
            ),
            (
                "  - name: a\n    script: \"error('no: #1')\"\n    expect:\n      kept: [old]\n"
                "      error: \"no: #1\"\n  - {name: b, expect: {deleted: ['o*']}}\n"
            ),
        ),
    ],
)
def test_only_what_differs_is_rewritten(before, after, tmp_path):
    count, text = updated(tmp_path, before)
    assert text == after
    assert count == 1


def test_what_is_as_expected_is_not_touched(tmp_path):
    count, text = updated(tmp_path, "  - name: a\n    expect: {deleted: [ 'o*' ]}  # yes\n")
    assert (count, text) == (0, "  - name: a\n    expect: {deleted: [ 'o*' ]}  # yes\n")


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ("  - name: a\n    expect: {deleted: [new]}  # why\n", "a comment"),
        ("  - name: a\n    expect:\n      deleted:\n        - new   # why\n", "a comment"),
        ("  - {name: a, expect: {deleted: new}}\n", "written in braces"),
        ("  - {name: a}\n", "written in braces"),
        ("  - name: b\n    expect: &e {deleted: [new]}\n  - name: a\n    expect: *e\n", "anchor"),
        (
            "  - &t\n    name: b\n    expect: {deleted: [new]}\n  - <<: *t\n    name: a\n",
            "without changing more",
        ),
    ],
)
def test_what_would_be_lost_is_refused_and_the_file_stays(tests, why, tmp_path):
    results = list(results_of(tmp_path, HEAD + tests).values())
    with pytest.raises(UsageError, match=rf"{why}.*by hand"):
        update_file(tmp_path / "it_test.yml", results)
    assert (tmp_path / "it_test.yml").read_text() == HEAD + tests


def test_a_file_keeps_its_permissions_and_the_ends_of_its_lines(tmp_path):
    text = f"{HEAD}  - name: a\n    expect: {{}}\n"
    results = list(results_of(tmp_path, text).values())
    path = tmp_path / "it_test.yml"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    update_file(path, results)
    after = text.replace("expect: {}", "expect:\n      deleted: [old, older]")
    assert path.read_bytes() == after.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_whose_lines_end_in_two_ways_is_refused(tmp_path):
    text = f"{HEAD}  - name: a\n    expect: {{}}\n"
    results = list(results_of(tmp_path, text).values())
    path = tmp_path / "it_test.yml"
    path.write_bytes(text.replace("\n", "\r\n", 3).encode())
    with pytest.raises(UsageError, match="its lines end in two ways"):
        update_file(path, results)


def test_long_lists_are_written_one_below_the_other(tmp_path):
    names = [f"a-tag-with-a-long-name-{number}" for number in range(8)]
    text = HEAD.replace("{old: 40d, older: 50d, new: 2d}", str(dict.fromkeys(names, "40d")))
    results = list(results_of(tmp_path, text + "  - name: a\n").values())
    update_file(tmp_path / "it_test.yml", results)
    after = (tmp_path / "it_test.yml").read_text()
    assert after.endswith("      deleted:\n" + "".join(f"        - {name}\n" for name in names))
    assert results_of(tmp_path, after)["a"].passed
