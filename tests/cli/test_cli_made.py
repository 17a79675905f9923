"""Commands that are made from functions: tag, repo, manifest, image, blob, referrer."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.command import regbot
from support.images import make_image
from support.registry import TestRegistry

from regbot.cli.commands import regbot as group
from regbot.cli.made.group import MADE
from regbot.cli.made.table import FAMILIES
from regbot.lua.api.catalogue import BINDINGS

NOT_COMMANDS = {
    "manifest.exists": "the exit code of manifest head tells it",
    "manifest.descriptor": "manifest head --json prints it",
    "image.ratelimitWait": "is for a script that goes on afterwards",
    "digest.of": "is regbot digest, which no registry is asked for",
    "blob.content": "blob get prints it",
    "blob.size": "blob head prints it",
    "manifest.export": "a script's edits have no command",
    "config.export": "a script's edits have no command",
    "retention.decide": "regbot plan shows what rules decide",
}
"""Functions about registries that no command calls, and what there is instead."""
OF_SCRIPTS = {"log", "reference", "time", "semver", "json", "parallel", "os", "print", "require"}
"""Namespaces of what only a program needs."""


@pytest.fixture(scope="module")
def registry():
    with TestRegistry() as registry:
        yield registry


@pytest.fixture
def repository(registry, request):
    """A repository with four tags: v1 and v2 are images, multi is an index, same is v1."""
    name = "team/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60].strip(
        "-"
    )
    registry.put_image(name, "v1", labels={"n": "1"}, created="2024-05-01T00:00:00Z")
    registry.put_image(name, "same", labels={"n": "1"}, created="2024-05-01T00:00:00Z")
    registry.put_image(name, "v2", labels={"n": "2"})
    children = {each: make_image(platform=each) for each in ("linux/amd64", "linux/arm64")}
    registry.put_index(name, "multi", children)
    return f"{registry.host}/{name}"


@pytest.fixture
def run(tmp_path, registry):
    """Run a command whose config has the registry and what is given besides."""

    (tmp_path / "nowhere").mkdir()

    def run(*arguments: str, stdin: str | bytes = "", **defaults: object):
        config = {
            "creds": [{"registry": registry.host, "tls": "disabled"}],
            "defaults": {"workDir": str(tmp_path / "nowhere"), **defaults},
        }
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        words = (*arguments, "-c", str(tmp_path / "bot.yml"))
        return regbot(*words, home=tmp_path, stdin=stdin, cwd=tmp_path)

    return run


def tags_of(registry, repository):
    return set(registry.tags(repository.partition("/")[2]))


def test_every_function_about_registries_has_a_command():
    called = {made.function for family in FAMILIES for made in family.members}
    called |= {
        name for family in FAMILIES for made in family.members for name in made.instead.values()
    }
    names = {binding.name for binding in BINDINGS if binding.name.split(".")[0] not in OF_SCRIPTS}
    assert names - called == set(NOT_COMMANDS)


@pytest.mark.parametrize(
    "name", [f"{family.name} {made.name}" for family in FAMILIES for made in family.members]
)
def test_the_help_of_a_command_teaches_with_examples(name, tmp_path):
    page = regbot(*name.split(), "--help", home=tmp_path).stdout
    assert [line for line in page.splitlines() if len(line) > 80] == []
    assert f"\n  regbot {name} " in page
    assert "\\b" not in page


def test_an_example_is_broken_where_nothing_is_torn_apart():
    for family in FAMILIES:
        for typed, _ in (each for made in family.members for each in made.calls(family.name)):
            for line in typed.splitlines():
                shlex.split(line.removesuffix("\\"))


@pytest.mark.parametrize("family", MADE, ids=lambda family: family.name)
def test_a_command_has_the_names_that_fingers_know(family):
    for made in next(each for each in FAMILIES if each.name == family.name).members:
        ctx = group.make_context("regbot", [family.name], resilient_parsing=True)
        for alias in made.aliases:
            assert family.get_command(ctx, alias).name == made.name


def test_tags_are_listed_one_on_a_line(run, repository):
    done = run("tag", "ls", repository)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "multi\nsame\nv1\nv2\n"
    assert run("tag", "ls", repository, "--json").stdout == '["multi", "same", "v1", "v2"]\n'


def test_templates_of_regctl_find_their_fields(run, registry, repository):
    name = repository.partition("/")[2]
    template = '{{$name := .Name}}{{range .Tags}}{{printf "%s:%s\\n" $name .}}{{end}}'
    listed = run("tag", "ls", repository, "--include", "v.", "--format", template)
    assert listed.stdout == f"{repository}:v1\n{repository}:v2\n"
    words = ("manifest", "head", f"{repository}:v1", "--format")
    template = "{{.GetDescriptor.Digest}}{{with .Manifest.GetDescriptor}} {{.Size}}{{end}}"
    assert run(*words, template).stdout.startswith(f"{registry.tags(name)['v1']} ")
    put = ("manifest", "put", f"{repository}:new", "--format")
    stored = run(
        *put,
        "{{.Manifest.GetDescriptor.Digest}}",
        stdin=registry.manifests(name)[registry.tags(name)["v2"]],
    )
    assert stored.stdout == f"{registry.tags(name)['v2']}\n"
    odd = run("tag", "ls", repository, "--format", "{{.Index}}")
    assert (odd.returncode, odd.stdout) == (1, "")
    assert "--format: there is no .Index in " in odd.stderr


def test_patterns_include_and_exclude_whole_names(run, repository):
    listed = run("tag", "ls", repository, "--include", "v.", "--include", "sam", "--exclude", ".2")
    assert listed.stdout == "v1\n"
    assert run("tag", "ls", repository, "--include", "nothing").stdout == ""


def test_full_names_go_from_one_command_to_the_next(run, registry, repository):
    listed = run("tag", "ls", repository, "--include", "v[12]", "--full").stdout
    assert listed == f"{repository}:v1\n{repository}:v2\n"
    done = run("tag", "rm", "-", stdin=f"# old ones\n\n{listed}")
    assert done.returncode == 0, done.stderr
    assert tags_of(registry, repository) == {"multi", "same"}
    assert done.stderr.startswith("deleted 2 tags in 1 repository")


def test_a_list_that_is_too_long_is_not_cut_off(run, registry, repository):
    lines = f"{repository}:v2\n" + "#" * (16 * 1024 * 1024 - 2 * len(repository)) + "\n"
    whole = lines + f"{repository}:v1-of-another\n" * 2
    done = run("tag", "rm", "-", stdin=whole)
    assert (done.returncode, tags_of(registry, repository)) == (2, {"multi", "same", "v1", "v2"})
    assert "standard input has more than 16.0 MiB" in done.stderr


def test_tags_of_several_repositories_have_full_names(run, repository):
    done = run("tag", "ls", repository, repository, "--include", "v1")
    assert done.stdout == f"{repository}:v1\n" * 2


def test_a_tag_is_deleted_and_put_back(run, registry, repository, tmp_path):
    done = run("tag", "rm", f"{repository}:v1")
    assert (done.returncode, done.stdout) == (0, "")
    assert tags_of(registry, repository) == {"multi", "same", "v2"}
    (undo,) = re.findall(r"undo with: regbot (undo \S+)", done.stderr)
    assert run(*undo.split()).returncode == 0
    assert tags_of(registry, repository) == {"multi", "same", "v1", "v2"}


def test_a_dry_run_shows_what_would_be_done(run, registry, repository):
    before = len(registry.requests)
    for words in (("tag", "rm", "--dry-run"), ("--dry-run", "tag", "rm")):
        done = run(*words, f"{repository}:v1")
        assert done.returncode == 0, done.stderr
        assert f"{repository}:v1" in done.stdout
        assert "would delete 1 tag" in done.stdout
    assert {each.method for each in registry.requests[before:]} <= {"GET", "HEAD"}


def test_a_command_that_changes_nothing_has_no_dry_run(run, repository):
    done = run("--dry-run", "tag", "ls", repository)
    assert done.returncode == 2
    assert "ls has no option --dry-run" in done.stderr


def test_a_guard_of_the_config_holds_for_commands(run, registry, repository):
    done = run("tag", "rm", f"{repository}:v1", f"{repository}:v2", guard={"maxDeletes": 1})
    assert done.returncode == 1
    assert "the guard stopped this command, and nothing was deleted: maxDeletes 1" in done.stderr
    assert (
        "(add --dry-run to see what it would delete; then delete less, or correct the guard)"
        in (done.stderr)
    )
    words = ("tag", "rm", f"{repository}:v1", f"{repository}:v2", "--dry-run")
    dry = run(*words, guard={"maxDeletes": 1})
    assert "1 too many (delete less, or correct the guard)" in dry.stderr
    assert tags_of(registry, repository) == {"multi", "same", "v1", "v2"}
    done = run("tag", "rm", f"{repository}:v1", guard={"maxDeletes": 1})
    assert done.returncode == 0, done.stderr
    assert tags_of(registry, repository) == {"multi", "same", "v2"}


def test_an_image_in_use_is_kept(run, registry, repository, tmp_path):
    (tmp_path / "used.txt").write_text(f"{repository}:v2\n")
    used = {"file": str(tmp_path / "used.txt")}
    done = run("tag", "rm", f"{repository}:v2", inUse=used)
    assert done.returncode == 0, done.stderr
    assert "v2" in tags_of(registry, repository)


def test_one_that_fails_stops_no_other(run, registry, repository):
    done = run("tag", "rm", f"{repository}:none", f"{repository}:v1")
    assert done.returncode == 1
    assert f"{repository}:none" in done.stderr
    assert "tag rm: 1 of 2 failed" in done.stderr
    assert tags_of(registry, repository) == {"multi", "same", "v2"}


def test_a_failure_is_one_line(run, repository):
    done = run("tag", "rm", f"{repository}:none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"tag rm: {repository}:none: ")
    assert run("tag", "rm", f"{repository}:none", "--ignore-missing").returncode == 0


def test_a_failure_is_an_error_of_the_log_as_json(run, repository):
    done = run("tag", "ls", f"{repository}-none", "--logopt", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["ERROR"]
    assert f"{repository}-none" in lines[0]["error"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tag", "ls"], "tag ls: write regbot tag ls REPO..."),
        (["image", "copy", "a"], "image copy: write regbot image copy SRC DST, not a"),
        (["tag", "ls", "X@@"], "tag ls REPO: reference 'X@@'"),
        (["tag", "rm", "localhost:1/app"], "tag rm REF: localhost:1/app names no tag"),
        (["tag", "ls", "a", "--include", "("], "tag ls --include: '(' is not a regular expression"),
        (["manifest", "get", "a", "-p", "x"], "platform 'x' is not os/arch"),
        (["manifest", "get", "a", "--format", "{{.x"], "--format: {{ without }}"),
        (["tag", "ls", "a", "--format", "raw-body"], "--format raw-body: write what to print as"),
        (["manifest", "rm", "a:b"], "manifest rm: a:b names no digest"),
        (["blob", "put", "a", "--file", "no-such-file"], "--file no-such-file: "),
        (["manifest", "put", "a"], "standard input: the manifest is not JSON but empty"),
        (["manifest", "get", "a", "b"], "manifest get: write regbot manifest get REF, not a b"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_one_line_and_exit_2(run, registry, words, says):
    before = len(registry.requests)
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(registry.requests) == before


def test_a_dry_run_that_could_not_look_does_not_say_that_nothing_would_change(run, repository):
    for words in (["image", "rm"], ["tag", "rm"]):
        done = run(*words, f"{repository}-none:v1", "--dry-run")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1


def test_a_copy_to_another_digest_is_an_error_and_not_unchanged(run, repository):
    other = f"sha256:{'0' * 64}"
    for target in (f"{repository}@{other}", f"{repository}:new@{other}"):
        done = run("image", "copy", f"{repository}:v1", target)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.rstrip().endswith(f", not {other}")
    assert run("manifest", "head", f"{repository}:new").returncode == 1


def test_an_empty_list_is_nothing_to_do(run):
    done = run("tag", "rm", "-", stdin="\n# nothing\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_manifest_is_printed_byte_for_byte(run, registry, repository):
    name = repository.partition("/")[2]
    digest = registry.tags(name)["multi"]
    raw = registry.manifests(name)[digest]
    assert run("manifest", "get", f"{repository}:multi").stdout.encode() == raw
    assert run("manifest", "get", f"{repository}:multi", "--format", "raw-body").stdout == (
        raw.decode()
    )
    assert run("manifest", "head", f"{repository}:multi").stdout == f"{digest}\n"
    shown = json.loads(run("manifest", "get", f"{repository}:multi", "--json").stdout)
    assert shown == json.loads(raw)


def test_a_platform_of_an_index(run, registry, repository):
    words = ("manifest", "get", f"{repository}:multi", "--platform", "linux/arm64")
    raw = run(*words).stdout.encode()
    index = json.loads(run("manifest", "get", f"{repository}:multi").stdout)
    arm = next(each for each in index["manifests"] if each["platform"]["architecture"] == "arm64")
    assert registry.manifests(repository.partition("/")[2])[arm["digest"]] == raw


def test_a_manifest_is_put_under_a_tag_or_by_its_digest(run, registry, repository, tmp_path):
    raw = run("manifest", "get", f"{repository}:v1").stdout
    digest = registry.tags(repository.partition("/")[2])["v1"]
    done = run("manifest", "put", f"{repository}:again", stdin=raw)
    assert (done.returncode, done.stdout) == (0, f"{digest}\n")
    assert registry.tags(repository.partition("/")[2])["again"] == digest
    (tmp_path / "new.json").write_text(raw + "\n")
    done = run("manifest", "put", repository, "--by-digest", "--file", "new.json")
    assert done.returncode == 0, done.stderr
    assert run("manifest", "head", f"{repository}@{done.stdout.strip()}").returncode == 0
    assert "latest" not in tags_of(registry, repository)


def test_a_manifest_goes_with_all_its_tags_by_its_digest_alone(run, registry, repository):
    digest = registry.tags(repository.partition("/")[2])["v1"]
    assert run("manifest", "rm", f"{repository}:v1").returncode == 2
    assert tags_of(registry, repository) == {"multi", "same", "v1", "v2"}
    assert run("manifest", "rm", f"{repository}@{digest}").returncode == 0
    assert tags_of(registry, repository) == {"multi", "v2"}


def test_a_blob_comes_back_as_it_was_put(run, repository, tmp_path):
    content = bytes(range(256)) * 5000
    done = run("blob", "put", repository, stdin=content)
    assert done.returncode == 0, done.stderr
    digest = done.stdout.strip()
    (tmp_path / "blob").write_bytes(content)
    again = run("blob", "put", repository, "--file", "blob")
    assert again.stdout == done.stdout
    words = f"blob get {repository} {digest} -c {tmp_path / 'bot.yml'} > out"
    command = ["sh", "-c", f"{regbot_path()} {words}"]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, cwd=tmp_path, check=True, env=environment)
    assert (tmp_path / "out").read_bytes() == content
    head = json.loads(run("blob", "head", repository, digest).stdout)
    assert head == {"digest": digest, "size": len(content)}


def regbot_path() -> str:
    from support.command import REGBOT

    return REGBOT


def test_what_nobody_reads_ends_quietly(run, repository, tmp_path):
    digest = run("blob", "put", repository, stdin=bytes(5_000_000)).stdout.strip()
    words = f"blob get {repository} {digest} -c {tmp_path / 'bot.yml'} | head -c 10 > out"
    done = subprocess.run(
        ["bash", "-c", f"{regbot_path()} {words}"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out").read_bytes() == bytes(10)


def test_an_image_is_looked_at(run, repository):
    assert run("image", "created", f"{repository}:v1").stdout == "2024-05-01T00:00:00Z\n"
    words = ("image", "config", f"{repository}:v1")
    assert json.loads(run(*words).stdout)["config"]["Labels"] == {"n": "1"}
    assert run(*words, "--format", "{{.Config.Labels.n}}").stdout == "1\n"
    sizes = run("image", "size", f"{repository}:v1", f"{repository}:same").stdout.splitlines()
    assert [line.partition("  ")[0] for line in sizes] == [f"{repository}:v1", f"{repository}:same"]
    assert {int(line.partition("  ")[2]) for line in sizes} == {
        int(run("image", "size", f"{repository}:v1").stdout)
    }


def test_several_results_as_json_have_their_names(run, repository):
    done = run("image", "size", f"{repository}:v1", f"{repository}:multi", "--json")
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert names == [f"{repository}:v1", f"{repository}:multi"]


def test_images_are_copied_and_one_platform_of_them(run, registry, repository):
    pairs = f"{repository}:v1 {repository}-copy:v1\n{repository}:multi {repository}-copy:multi\n"
    done = run("image", "copy", "-", stdin=pairs)
    assert done.returncode == 0, done.stderr
    name = repository.partition("/")[2]
    for tag in ("v1", "multi"):
        assert registry.tags(f"{name}-copy")[tag] == registry.tags(name)[tag]
    words = ("image", "copy", f"{repository}:multi", f"{repository}-copy:arm")
    assert run(*words, "--platform", "linux/arm64").returncode == 0
    index = json.loads(registry.manifests(name)[registry.tags(name)["multi"]])
    arm = next(each for each in index["manifests"] if each["platform"]["architecture"] == "arm64")
    assert registry.tags(f"{name}-copy")["arm"] == arm["digest"]


def test_layout_folders_and_archives_may_be_anywhere(run, registry, repository, tmp_path):
    """The config's workDir is a bound for scripts, not for the person at the prompt."""
    assert run("image", "copy", f"{repository}:v1", "ocidir://layout:v1").returncode == 0
    digest = registry.tags(repository.partition("/")[2])["v1"]
    assert run("manifest", "head", "ocidir://layout:v1").stdout == f"{digest}\n"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = run("image", "export", f"{repository}:v1", str(elsewhere / "v1.tar"))
    assert done.returncode == 0, done.stderr
    assert run("image", "import", f"{repository}:back", "elsewhere/v1.tar").returncode == 0
    assert registry.tags(repository.partition("/")[2])["back"] == digest


def test_a_referrer_is_listed(run, registry, repository):
    name = repository.partition("/")[2]
    digest = registry.put_artifact(name, registry.tags(name)["v1"])
    listed = run("referrer", "ls", f"{repository}:v1").stdout
    assert listed.startswith(f"{digest}  ")
    words = ("--filter-artifact-type", "application/none")
    assert run("referrer", "ls", f"{repository}:v1", *words).stdout == ""


def test_a_manifest_is_put_under_a_name_that_is_typed(run):
    done = run("manifest", "put", stdin='{"schemaVersion": 2}')
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "write regbot manifest put REF" in done.stderr


def test_a_registry_can_not_forge_lines_or_obey_the_terminal(run, registry, repository):
    name = repository.partition("/")[2]
    forged = f"x/y\x1b[2J\nsha256:{'0' * 64}  x/y"
    registry.put_artifact(name, registry.tags(name)["v1"], artifact_type=forged)
    for command, count in (("ls", 1), ("tree", 2)):
        shown = run("referrer", command, f"{repository}:v1").stdout
        assert (len(shown.splitlines()), "\x1b" in shown) == (count, False)


def test_half_a_character_is_printed_as_json_names_it(run, registry, repository):
    registry.put_image(repository.partition("/")[2], "half", labels={"a": "\ud83d"})
    words = ("image", "config", f"{repository}:half")
    shown = run(*words, "--format", "{{json .Config.Labels}}")
    assert (shown.returncode, shown.stdout) == (0, '{"a":"\\ud83d"}\n')
    assert json.loads(run(*words, "--json").stdout)["config"]["Labels"] == {"a": "\ud83d"}


def test_repositories_are_listed(run, registry, repository):
    name = repository.partition("/")[2]
    assert name in run("repo", "ls", registry.host).stdout.splitlines()
    words = ("repo", "ls", registry.host, "--include", re.escape(name), "--full")
    assert run(*words).stdout == f"{repository}\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("regbot re", {"repo", "referrer", "record", "registry"}),
        ("regbot tag ", {"ls", "rm", "add"}),
        ("regbot image copy --digest", {"--digest-tags"}),
    ],
)
def test_a_shell_completes_commands_and_options(typed, completed, tmp_path):
    words = typed.split(" ")
    variables = {
        "_REGBOT_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
    }
    lines = regbot(home=tmp_path, variables=variables).stdout.splitlines()
    assert {line.partition(",")[2] for line in lines} == completed


def test_the_digest_of_standard_input(tmp_path):
    done = regbot("digest", home=tmp_path, stdin="hi\n")
    assert done.stdout == f"sha256:{hashlib.sha256(b'hi' + bytes([10])).hexdigest()}\n"
    long = regbot("digest", "--algorithm", "sha512", home=tmp_path, stdin="hi\n").stdout
    assert long.startswith("sha512:")


def test_an_artifact_needs_a_type_and_content(run, repository):
    done = run("artifact", "put", f"{repository}:file", stdin="x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the artifact type is missing" in done.stderr
    done = run("artifact", "put", "--artifact-type", "text/plain", stdin="x")
    assert "a reference is needed" in done.stderr


def test_the_image_of_one_platform_is_exported_by_its_tag(run, repository, tmp_path):
    words = ("image", "export", f"{repository}:multi", "arm.tar", "-p", "linux/arm64")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "arm.tar") as archive:
        (saved,) = json.load(archive.extractfile("manifest.json"))
        config = json.load(archive.extractfile(saved["Config"]))
        (entry,) = json.load(archive.extractfile("index.json"))["manifests"]
    assert saved["RepoTags"] == [f"{repository}:multi"]
    assert config["architecture"] == "arm64"
    assert run("image", "digest", f"{repository}:multi", "-p", "linux/arm64").stdout == (
        f"{entry['digest']}\n"
    )


def test_one_of_several_files_has_to_be_chosen(run, repository, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    words = ("--artifact-type", "text/plain", "--file", "one", "--file", "two", "--file-title")
    assert run("artifact", "put", f"{repository}:files", *words).returncode == 0
    done = run("artifact", "get", f"{repository}:files")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there are 2 files: choose with --file: one, two" in done.stderr
    other = run("artifact", "get", f"{repository}:files", "--file", "three")
    assert f"{repository}:files has no such file (it has: one, two)" in other.stderr


def test_the_history_has_what_a_command_changed(run, repository, tmp_path: Path):
    run("tag", "rm", f"{repository}:v2", "--reason", "not \x1b needed", "--ignore-missing")
    shown = run("history").stdout
    assert "1 done" in shown
    typed = f"tag rm {repository}:v2 --ignore-missing --reason 'not \\x1b needed'"
    assert f"\t{typed}\t" in shown
