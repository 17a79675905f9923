"""What a test expects, and what it says where something else happened."""

import socket

import pytest
from support.suites import APP, DELETE_OLD, result_of, results_of, suite

TAGS = "{old: 40d, new: 2d, same: {same: new}, dateless: unknown}"


@pytest.mark.parametrize(
    "expect",
    [
        "{deleted: old}",
        "{deleted: [old], kept: [new, same, dateless]}",
        "{deleted: ['o*'], kept: ['*e*']}",
        "{deleted: ['team/app:old']}",
        "{deleted: ['regex:o.+'], kept: ['regex:new|same']}",
        f"{{deleted: ['{APP}:old']}}",
        "{deleted: [old], requests: 20}",
    ],
)
def test_what_happened_is_what_was_expected(expect, tmp_path):
    assert result_of(tmp_path, suite(DELETE_OLD, TAGS, expect)).problems == ()


@pytest.mark.parametrize(
    ("expect", "problems"),
    [
        ("{}", [f"{APP}:old: expected kept, but deleted (old)"]),
        (
            "{deleted: [old, new]}",
            [f"{APP}:new: expected deleted, but kept"],
        ),
        ("{deleted: old, kept: old}", [f"{APP}:old: expected both deleted and kept"]),
        ("{deleted: [old, 'x*']}", ["deleted: there is nothing called x*"]),
        ("{deleted: old, kept: gone}", ["kept: there is nothing called gone"]),
        ("{deleted: old, copied: new}", ["new: expected copied, but nothing was put there"]),
        ("{deleted: old, exported: a.tar}", ["a.tar: expected exported, but not written"]),
        ("{deleted: old, error: boom}", ["error: expected 'boom', but there was none"]),
        ("{deleted: old, guard: x}", ["guard: expected 'x', but there was none"]),
        ("{deleted: old, requests: 3}", ["requests: expected at most 3, but there were 10"]),
    ],
)
def test_what_differs_is_said_by_tag(expect, problems, tmp_path):
    found = result_of(tmp_path, suite(DELETE_OLD, TAGS, expect)).problems
    assert list(found) == problems


def test_an_error_is_expected_by_a_part_of_its_message(tmp_path):
    script = 'error("the label is missing")'
    assert result_of(tmp_path, suite(script, TAGS, "{error: label is missing}")).passed
    (problem,) = result_of(tmp_path, suite(script, TAGS)).problems
    assert problem.startswith("error: expected none, but got: ")
    assert "the label is missing" in problem
    (problem,) = result_of(tmp_path, suite(script, TAGS, "{error: boom}")).problems
    assert problem.startswith("error: expected 'boom', but got: ")


def test_a_guard_stops_a_test_as_it_stops_a_run(tmp_path):
    guard = "guard: {maxDeletes: 0}\n"
    assert result_of(tmp_path, suite(DELETE_OLD, TAGS, "{guard: maxDeletes}", guard)).passed
    (problem,) = result_of(tmp_path, suite(DELETE_OLD, TAGS, "{}", guard)).problems
    assert problem.startswith("guard: expected none, but got: the guard stopped this script")
    assert ": 1 would go (" in problem


def test_the_age_that_a_guard_judges_is_that_at_the_test_s_now(tmp_path):
    script = f'tag.delete("{APP}:a")'
    for age, expect in (("10d", "{deleted: a}"), ("5d", "{guard: minAge}")):
        text = suite(script, f"{{a: {age}}}", expect, "guard: {minAge: 7d}\nnow: 2020-05-05\n")
        assert result_of(tmp_path, text).problems == ()


def test_copies_are_expected_where_they_go(tmp_path):
    script = f"""
    image.copy("{APP}:old", "{APP}:promoted")
    image.copy("{APP}:old", "mirror.example.org/app:old", {{digestTags = true}})
    image.copy("{APP}:new", "{APP}:same")
    image.exportTar("{APP}:new", "new.tar")
    """
    text = suite(script, TAGS, "{copied: ['team/app:promoted', 'app:old'], exported: '*.tar'}")
    text = text.replace("tests:", "  mirror.example.org/app: {}\ntests:")
    assert result_of(tmp_path, text).problems == ()
    unexpected = f"{APP}:promoted: an image was put there, which is not expected"
    assert unexpected in result_of(tmp_path, text.replace("'team/app:promoted', ", "")).problems


def test_a_tag_that_is_put_on_another_image_is_not_kept(tmp_path):
    script = f'image.copy("{APP}:old", "{APP}:new")'
    found = result_of(tmp_path, suite(script, TAGS, "{copied: new, kept: new}")).problems
    assert found == (f"{APP}:new: expected kept, but put on another image",)


def test_a_registry_that_is_not_in_the_test_is_a_mistake_even_under_pcall(tmp_path, monkeypatch):
    def connect(*_):
        raise AssertionError("a test has opened a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    script = """
    pcall(tag.ls, "other.example.org/team/app")
    pcall(tag.ls, "ocidir://folder")
    pcall(repo.ls, "third.example.org")
    """
    found = result_of(tmp_path, suite(script, TAGS)).problems
    names = ("ocidir://folder", "other.example.org", "third.example.org")
    assert found == tuple(
        f"{name} was asked for, but is not in the test (add a repository of it)" for name in names
    )


def test_a_missing_repository_of_a_registry_in_the_test_is_not_found(tmp_path):
    script = """
    assert(not manifest.exists("registry.example.org/team/other:v1"))
    assert(not pcall(tag.ls, "registry.example.org/team/other"))
    assert(#repo.ls("registry.example.org") == 1)
    """
    assert result_of(tmp_path, suite(script, TAGS)).problems == ()


def test_a_fault_meets_one_request_or_all_about_a_tag(tmp_path):
    second = "faults: [{request: 2, status: 429}]\n"
    assert result_of(tmp_path, suite(DELETE_OLD, TAGS, "{error: '429'}", second)).passed
    script = f"""
    local ok = {{}}
    for _, name in ipairs(tag.ls("{APP}")) do
      ok[name] = pcall(image.created, "{APP}:" .. name)
    end
    assert(ok.new and ok.same and not ok.old)
    """
    about = "faults: [{tag: old, status: 500}]\n"
    assert result_of(tmp_path, suite(script, TAGS, "{}", about)).problems == ()


def test_the_clock_of_a_script_stands_at_now(tmp_path):
    script = """
    assert(time.now() == time.parse("2020-05-05T12:00:00Z"))
    assert(os.time() == 1588680000)
    assert(os.date("!%Y-%m-%d %H:%M") == "2020-05-05 12:00")
    assert(os.date("!%Y", 0) == "1970")
    assert(os.time({year = 2020, month = 5, day = 5, hour = 12}) ~= nil)
    """
    assert result_of(tmp_path, suite(script, "{}", "{}", "now: 2020-05-05T12:00:00Z\n")).passed


def test_tests_share_what_the_file_says_and_may_say_otherwise(tmp_path):
    text = f"""
args: {{days: 30, repo: {APP}}}
environment: {{STAGE: night}}
script: |
  for _, name in ipairs(tag.ls(args.repo)) do
    local ref = reference.new(args.repo):tag(name)
    if image.created(ref) < time.now() - args.days * 86400 then tag.delete(ref) end
  end
repositories:
  {APP}:
    tags: {{a: 40d, b: 20d, c: 5d}}
tests:
  - name: as the file says
    expect: {{deleted: a}}
  - name: other arguments
    args: {{days: 10}}
    expect: {{deleted: [a, b]}}
  - name: another repository
    repositories:
      {APP}: {{tags: {{d: 50d}}}}
    expect: {{deleted: d}}
  - name: another script
    script: assert(args.days == 30 and os.getenv("STAGE") == "night")
"""
    found = {name: result.problems for name, result in results_of(tmp_path, text).items()}
    assert found == {
        "as the file says": (),
        "other arguments": (),
        "another repository": (),
        "another script": (),
    }


def test_a_script_of_a_config_runs_with_the_config_s_guard_and_without_its_credentials(tmp_path):
    (tmp_path / "bot.yml").write_text(
        f"""
creds:
  - registry: registry.example.org
    pass: '{{{{file "/nowhere/at/all"}}}}'
defaults:
  guard: {{maxDeletes: 1}}
scripts:
  - name: clean
    args: {{tag: a}}
    script: tag.delete("{APP}:" .. args.tag)
  - name: more
    file: more.lua
"""
    )
    (tmp_path / "more.lua").write_text(f'tag.delete("{APP}:a") tag.delete("{APP}:b")\n')
    text = f"""
config: bot.yml
repositories:
  {APP}:
    tags: [a, b]
tests:
  - {{name: one, run: clean, expect: {{deleted: a}}}}
  - {{name: other, run: clean, args: {{tag: b}}, expect: {{deleted: b}}}}
  - {{name: file, run: more, expect: {{guard: maxDeletes 1}}}}
"""
    found = {name: result.problems for name, result in results_of(tmp_path, text).items()}
    assert found == {"one": (), "other": (), "file": ()}
