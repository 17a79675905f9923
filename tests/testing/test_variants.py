"""A test is repeated with less to go by, and never may more be deleted."""

import pytest
from support.suites import APP, DELETE_OLD, result_of, suite

LOOP = f"""
for _, name in ipairs(tag.ls("{APP}")) do
  local ref = reference.new("{APP}"):tag(name)
  %s
end
"""
UNKNOWN_IS_OLD = LOOP % (
    'if (image.created(ref) or 0) < time.now() - time.duration("30d") then tag.delete(ref) end'
)
UNKNOWN_IS_NEW = f"""
local builds = {{}}
for _, name in ipairs(tag.ls("{APP}")) do
  local ref = reference.new("{APP}"):tag(name)
  table.insert(builds, {{ref = ref, created = image.created(ref) or time.now()}})
end
table.sort(builds, function(a, b) return a.created > b.created end)
for rank = 3, #builds do tag.delete(builds[rank].ref) end
"""
FIRST_LISTED = f"""
local tags = tag.ls("{APP}")
for rank = 1, #tags - 1 do tag.delete("{APP}:" .. tags[rank]) end
"""
CUT_IS_EMPTY = f"""
local ok, tags = pcall(tag.ls, "{APP}")
if not ok then tag.delete("{APP}:a") end
"""


@pytest.mark.parametrize(
    ("script", "tags", "expect", "worse"),
    [
        (
            UNKNOWN_IS_OLD,
            "{a: 40d, b: 2d}",
            "{deleted: a}",
            "with no date on {app}:b, it also deletes {app}:b",
        ),
        (
            UNKNOWN_IS_NEW,
            "{a: 1d, b: 2d, c: 3d, d: 4d}",
            "{deleted: [c, d]}",
            "with no date on {app}:d, it also deletes {app}:b",
        ),
        (
            FIRST_LISTED,
            "[a, b, c, d]",
            "{deleted: [a, b, c]}",
            "with the listing in another order, it also deletes {app}:d",
        ),
        (
            CUT_IS_EMPTY,
            "[a, b]",
            "{}",
            "with the listing cut short, it also deletes {app}:a",
        ),
    ],
)
def test_a_variant_that_deletes_more_fails_the_test(script, tags, expect, worse, tmp_path):
    result = result_of(tmp_path, suite(script, tags, expect))
    assert result.differences == ()
    assert worse.format(app=APP) in result.worse


@pytest.mark.parametrize("guard", ["", "guard: {maxDeletes: 0}\n"])
def test_a_guard_hides_no_variant(guard, tmp_path):
    expect = "{guard: maxDeletes}" if guard else "{deleted: a}"
    result = result_of(tmp_path, suite(UNKNOWN_IS_OLD, "{a: 40d, b: 2d}", expect, guard))
    assert any("no date on" in line for line in result.worse)


def test_a_script_that_keeps_what_it_does_not_know_passes(tmp_path):
    tags = "{a: 40d, b: 50d, c: {created: 60d, platforms: [linux/amd64]}, d: 2d, e: 3d}"
    assert result_of(tmp_path, suite(DELETE_OLD, tags, "{deleted: [a, b, c]}")).problems == ()


def test_a_guard_that_fewer_deletes_get_past_is_no_fault_of_the_variant(tmp_path):
    guard = "guard: {maxDeletes: 1}\n"
    text = suite(DELETE_OLD, "{a: 40d, b: 50d}", "{guard: maxDeletes}", guard)
    assert result_of(tmp_path, text).problems == ()


def test_a_date_in_a_label_is_a_date_too(tmp_path):
    script = LOOP % (
        'local label = image.config(ref).Config.Labels["org.opencontainers.image.created"]'
        " if not label then tag.delete(ref) end"
    )
    tags = "{a: {labels: {org.opencontainers.image.created: 2d}}}"
    result = result_of(tmp_path, suite(script, tags))
    assert f"with no date on {APP}:a, it also deletes {APP}:a" in result.worse


def test_variants_can_be_left_out(tmp_path):
    text = suite(UNKNOWN_IS_OLD, "{a: 40d, b: 2d}", "{deleted: a}", "variants: false\n")
    assert result_of(tmp_path, text).problems == ()
