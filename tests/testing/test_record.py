"""regbot record makes a test file of a real repository."""

import re

import pytest
import yaml
from support.command import regbot
from support.images import make_image, make_index
from support.registry import DISTRIBUTION_3, TestRegistry

from regbot.oci.digest import Digest
from regbot.testing.anonymous import Anonymous

APP = "team/app"
CREATED = "org.opencontainers.image.created"


@pytest.fixture
def registry():
    with TestRegistry(DISTRIBUTION_3) as registry:
        old = make_image(
            created="2020-01-01T00:00:00Z", labels={"secret": "s3cr3t", "stage": "tested"}
        )
        index = make_index(
            {
                "linux/amd64": make_image(created="2021-01-01T00:00:00Z"),
                "linux/arm64": make_image(created="2021-01-01T00:00:00Z", platform="linux/arm64"),
            }
        )
        undated = make_image(created=None, labels={CREATED: "2022-02-02T00:00:00Z"})
        registry.put(APP, "build-12", old)
        registry.put(APP, "latest", old)
        registry.put(APP, "v1.2.3-customer", index)
        registry.put(APP, f"sha256-{old.digest.hex}.sig", undated)
        yield registry


def record(registry, folder, *arguments):
    (folder / "bot.yml").write_text(
        f"version: 1\ncreds: [{{registry: '{registry.host}', tls: disabled}}]\n"
        "defaults: {cache: off}\n"
    )
    return regbot(
        *("record", f"{registry.host}/{APP}", "-o", "app_test.yml", "-c", "bot.yml", *arguments),
        home=folder,
        cwd=folder,
    )


def recorded(registry, folder, *arguments):
    done = record(registry, folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "app_test.yml: 4 tags of 3 images\n"
    text = (folder / "app_test.yml").read_text()
    ((_, repository),) = yaml.safe_load(text)["repositories"].items()
    return text, repository["tags"]


def test_tags_digests_and_dates_are_recorded_and_no_content(registry, tmp_path):
    text, tags = recorded(registry, tmp_path)
    on = registry.tags(APP)
    signature = next(tag for tag in on if tag.startswith("sha256-"))
    assert set(tags) == set(on)
    assert tags["build-12"]["digest"] == on["build-12"]
    assert "2020-01-01T00:00:00Z" in text
    assert tags["latest"] == {"same": "build-12"}
    assert list(tags["v1.2.3-customer"]["platforms"]) == ["linux/amd64", "linux/arm64"]
    assert tags[signature]["labels"] == {CREATED: "2022-02-02T00:00:00Z"}
    assert "s3cr3t" not in text
    assert "tested" not in text


def test_a_recording_is_a_test_that_passes(registry, tmp_path):
    recorded(registry, tmp_path)
    done = regbot("test", home=tmp_path, cwd=tmp_path)
    assert done.stdout == "ok    app_test.yml: nothing is deleted\n\n1 passed, 0 failed\n"
    assert done.returncode == 0


def test_a_test_on_a_recording_does_what_a_dry_run_does(registry, tmp_path):
    """What a test sees is what a run sees."""
    script = """
      for _, name in ipairs(tag.ls(args.repo)) do
        local ref = reference.new(args.repo):tag(name)
        local created = image.created(ref)
        local digest = manifest.descriptor(ref).Digest
        log(name .. " " .. digest .. " " .. tostring(created))
        if created and created < time.parse("2021-06-01") then tag.delete(ref) end
      end
"""
    recorded(registry, tmp_path)
    text = (tmp_path / "app_test.yml").read_text()
    repo = f"{registry.host}/{APP}"
    (tmp_path / "app_test.yml").write_text(
        text.replace(
            text[text.index("    script: |") : text.index("    expect:")],
            f"    args: {{repo: '{repo}'}}\n    script: |{script}",
        )
    )
    (tmp_path / "it.lua").write_text(script)
    live = regbot(
        *("run", "it.lua", "--arg", f"repo={repo}", "-c", "bot.yml", "--dry-run"),
        home=tmp_path,
        cwd=tmp_path,
    )
    assert live.returncode == 0, live.stderr
    planned = set(re.findall(rf"{re.escape(repo)}:(\S+)", live.stdout))
    done = regbot("test", home=tmp_path, cwd=tmp_path)
    deleted = re.findall(rf"{re.escape(repo)}:(\S+): expected kept, but deleted", done.stdout)
    assert set(deleted) == planned == {"build-12", "latest", "v1.2.3-customer"}


def test_labels_are_recorded_when_they_are_named(registry, tmp_path):
    _, tags = recorded(registry, tmp_path, "--label", "stage")
    assert tags["build-12"]["labels"] == {"stage": "tested"}


def test_an_anonymous_recording_has_other_names_and_digests(registry, tmp_path):
    text, tags = recorded(registry, tmp_path, "--anonymous")
    on = registry.tags(APP)
    assert "customer" not in text
    assert registry.host not in text
    assert [digest for digest in on.values() if digest in text] == []
    assert {"build-12", "latest", "v1.2.3-wordA"} < set(tags)
    (signature,) = set(tags) - {"build-12", "latest", "v1.2.3-wordA"}
    assert signature == f"{tags['build-12']['digest'].replace(':', '-')}.sig"
    assert regbot("test", home=tmp_path, cwd=tmp_path).returncode == 0


def test_a_date_of_creation_that_is_none_is_not_recorded(registry, tmp_path):
    told = "built by alice@customer.example"
    image = make_image(created=None, labels={CREATED: told}, annotations={CREATED: told})
    registry.put(APP, "build-12", image)
    registry.put(APP, "latest", image)
    for arguments in ((), ("--anonymous",)):
        text, _ = recorded(registry, tmp_path, *arguments)
        assert "alice" not in text
        (tmp_path / "app_test.yml").unlink()
    text, tags = recorded(registry, tmp_path, "--label", CREATED)
    assert tags["build-12"]["labels"] == {CREATED: told}


def test_a_file_that_exists_is_not_overwritten(registry, tmp_path):
    (tmp_path / "app_test.yml").write_text("mine")
    done = record(registry, tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "-o app_test.yml: this file exists already (delete it, or name another)\n"
    )
    assert (tmp_path / "app_test.yml").read_text() == "mine"


def test_what_can_t_be_read_is_no_recording(registry, tmp_path):
    registry.break_next(path=rf"/manifests/{registry.tags(APP)['latest']}", status=403, times=9)
    done = record(registry, tmp_path)
    assert done.returncode == 1
    assert "403" in done.stderr
    assert not (tmp_path / "app_test.yml").exists()


def test_a_repository_that_is_none_is_wrong_use(tmp_path):
    done = regbot("record", "UPPER", "-o", "a_test.yml", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("reference 'UPPER'")


@pytest.mark.parametrize(
    ("tag", "anonymous"),
    [
        ("latest", "latest"),
        ("v1.2.3-rc.1", "v1.2.3-rc.1"),
        ("pr-12-jane", "pr-12-wordA"),
        ("jane_jane", "wordA_wordA"),
        ("jane.john", "wordA.wordB"),
    ],
)
def test_numbers_and_common_words_stay(tag, anonymous):
    assert Anonymous(b"salt").tag(tag) == anonymous


def test_hashes_are_replaced_by_others_of_their_length():
    hidden = Anonymous(b"salt")
    other = hidden.tag("ci-0a1b2c3d")
    assert re.fullmatch(r"ci-[0-9a-f]{8}", other)
    assert other != "ci-0a1b2c3d"
    assert hidden.tag("ci-0a1b2c3d") == other
    digest = Digest.of(b"it")
    assert hidden.tag(f"sha256-{digest.hex}") == f"sha256-{hidden.digest(digest).hex}"
