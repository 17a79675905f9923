"""What scripts see, on a layout folder; the scripts themselves are in scripts/*.lua."""

import shutil
from pathlib import Path

import pytest
from support.images import make_image, make_index, push
from support.scripts import run_script_text

from regbot.errors import ScriptError
from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore

SCRIPTS = sorted(Path(__file__).parent.joinpath("scripts").glob("*.lua"))


@pytest.fixture
def layout(tmp_path):
    """A folder with images, as ``ocidir://`` text."""
    repo = f"ocidir://{tmp_path}/layout"
    fill(repo)
    return repo


def fill(repo):
    store = OciDirStore(Reference.parse(repo))
    old = make_image(created="2021-01-01T00:00:00Z", labels={"team": "web", "$": "reference"})
    new = make_image(created="2024-05-06T07:08:09.123456789+02:00", labels={"team": "api"})
    undated = make_image(created=None)
    push(store, old, "old")
    push(store, old, "same-as-old")
    push(store, new, "new")
    push(store, undated, "undated")
    push(
        store,
        make_index(
            {
                "linux/amd64": make_image(platform="linux/amd64", labels={"arch": "amd64"}),
                "linux/arm64": make_image(platform="linux/arm64", labels={"arch": "arm64"}),
                "linux/s390x": make_image(platform="linux/s390x", labels={"arch": "s390x"}),
            },
            annotations={"note": "an index"},
        ),
        "multi",
    )


def tags(layout):
    return OciDirStore(Reference.parse(layout)).tags()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_lua(flavour, layout, tmp_path, script):
    """Each file asserts for itself; its first failing line is the error."""
    ran = run_script_text(script.read_bytes(), flavour=flavour, **around(layout, tmp_path))
    assert ran.error is None


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_lua_in_a_dry_run(flavour, layout, tmp_path, script):
    """The same reads give the same results, and nothing is written anywhere."""
    surroundings = around(layout, tmp_path)
    if "exportTar" in script.read_text():
        live = run_script_text(script.read_bytes(), flavour=flavour, **surroundings)
        assert live.error is None
        archive = (tmp_path / "work" / "multi.tar").read_bytes()
        shutil.rmtree(tmp_path / "layout")
        shutil.rmtree(tmp_path / "layout-other")
        fill(layout)
        (tmp_path / "work" / "multi.tar").write_bytes(archive)
    before = contents(tmp_path)
    ran = run_script_text(script.read_bytes(), flavour=flavour, dry_run=True, **surroundings)
    assert ran.error is None
    assert contents(tmp_path) == before


def around(layout, folder):
    """Modules and a working folder, with links that lead out of them."""
    modules, work = folder / "lua", folder / "work"
    if not modules.exists():
        (modules / "folder").mkdir(parents=True)
        work.mkdir()
        (modules / "helper.lua").write_text("return {double = function(n) return n * 2 end}")
        (modules / "folder" / "inner.lua").write_text("local x = 1")
        (modules / "broken.lua").write_text("return return")
        (folder / "outside.lua").write_text("return 1")
        (modules / "link.lua").symlink_to(folder / "outside.lua")
        (work / "link").symlink_to(folder)
    return {"arguments": {"repo": layout}, "lua_path": (modules,), "work_dir": work}


def contents(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_deleted_tag_is_gone_and_its_twin_stays(flavour, layout):
    ran = run_script_text(
        "tag.delete(args.repo .. ':old')", flavour=flavour, arguments={"repo": layout}
    )
    assert ran.error is None
    assert tags(layout) == ["multi", "new", "same-as-old", "undated"]


def test_a_deleted_manifest_takes_its_tags(flavour, layout):
    source = "manifest.get(args.repo .. ':old'):delete()"
    assert run_script_text(source, flavour=flavour, arguments={"repo": layout}).error is None
    assert tags(layout) == ["multi", "new", "undated"]


def test_the_reason_is_given_or_the_latest_line(flavour, layout):
    source = """
        log("older than a year")
        tag.delete(args.repo .. ":old")
        tag.delete(args.repo .. ":new", {reason = "because"})
    """
    ran = run_script_text(source, flavour=flavour, arguments={"repo": layout})
    assert [outcome.action.reason for outcome in ran.outcomes] == ["older than a year", "because"]


def test_a_dry_run_records_and_changes_nothing(flavour, layout):
    source = """
        manifest.delete(args.repo .. ":new")
        for _, t in ipairs(tag.ls(args.repo)) do tag.delete(args.repo .. ":" .. t) end
        assert(#tag.ls(args.repo) == 0)
        assert(not pcall(manifest.get, args.repo .. ":old"))
    """
    before = tags(layout)
    ran = run_script_text(source, flavour=flavour, arguments={"repo": layout}, dry_run=True)
    assert ran.error is None
    assert tags(layout) == before
    assert [outcome.status for outcome in ran.outcomes] == ["planned"] * 5
    assert all(message.fields.get("dry-run") for message in ran.messages)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("tag.ls()", "tag.ls: argument 1 (repo): expected a reference, got nil"),
        ("tag.ls(7)", "tag.ls: argument 1 (repo): expected a reference, got a number"),
        ("tag.ls({})", "tag.ls: argument 1 (repo): expected a reference, got a table"),
        ("tag.ls('A B')", "tag.ls: argument 1 (repo): reference 'A B': 'A' at column 1"),
        ("tag.ls('x', {limit = 0})", "tag.ls: argument 2 (options): limit: expected a whole"),
        ("tag.ls('x', {limti = 1})", "tag.ls: argument 2 (options): unknown option 'limti'"),
        ("tag.ls('x', 'y')", "tag.ls: argument 2 (options): expected a table, got a string"),
        ("tag.delete('example.org/app')", "tag.delete: argument 1 (ref): example.org/app names no"),
        ("manifest.get('x:1', 'mars')", "manifest.get: argument 2 (platform): platform 'mars'"),
        ("repo.ls('a b')", "repo.ls: argument 1 (host): registry 'a b' is not a host name"),
        (
            "reference.new('x'):tag('a/b')",
            "reference.tag: docker.io/library/x:latest: tag 'a/b' is not",
        ),
        (
            "reference.new('x'):digest('a')",
            "reference.digest: docker.io/library/x:latest: digest 'a' does not start with",
        ),
        (
            "manifest.get('ocidir:///nowhere-at-all:x')",
            "manifest.get: ocidir:///nowhere-at-all:x: ",
        ),
        (
            "image.copy('ocidir:///nowhere:x', 'ocidir:///elsewhere:y')",
            "image.copy: ocidir:///nowhere:x -> ocidir:///elsewhere:y: ",
        ),
        ("tag.ls('ocidir:///nowhere')", "tag.ls: ocidir:///nowhere: there is no such folder"),
        ("tag.ls('x', true)", "tag.ls: argument 2 (options): expected a table, got a boolean"),
        ("manifest.put('x:1')", "manifest.put: docker.io/library/x:1: argument 2 (ref): expected"),
    ],
)
def test_a_wrong_argument_is_named(flavour, call, message):
    ran = run_script_text(f"\n{call}", flavour=flavour)
    assert isinstance(ran.error, ScriptError)
    assert str(ran.error).startswith(f"test:2: {message}")


def test_log_levels_and_fields(flavour):
    source = """
        log("a", {n = 1, t = true, s = "x"})
        log.debug("b") log.warn("c") log.error("d") log.info("e")
        log(12) log(nil, {t = {1, {a = "x"}}})
    """
    ran = run_script_text(source, flavour=flavour)
    assert ran.error is None
    assert ran.logged == ["a", "b", "c", "d", "e", "12", "nil"]
    assert ran.messages[-1].fields["t"] == '[1, {"a": "x"}]'
    assert [message.level for message in ran.messages[:5]] == [
        "info",
        "debug",
        "warn",
        "error",
        "info",
    ]
    assert dict(ran.messages[0].fields) == {"script": "test", "n": 1, "t": True, "s": "x"}


def test_print_writes_to_standard_output_with_tabs(flavour):
    source = """
        print("a", 1, nil, true) print()
        print(reference.new("example.org/app:1"))
        print("\\255\\0")
    """
    ran = run_script_text(source, flavour=flavour)
    assert ran.error is None
    assert ran.printed == ["a\t1\tnil\ttrue", "", "example.org/app:1", "\udcff\0"]
    assert ran.logged == []
