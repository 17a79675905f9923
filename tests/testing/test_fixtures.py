"""What a few lines say of a repository, and what a script finds there."""

import pytest
from support.suites import APP, result_of, suite

from regbot.events import ignore
from regbot.plan.executor import Terms
from regbot.plan.outcome import Outcomes
from regbot.plan.session import open_session
from regbot.stopping import Stop
from regbot.testing.offline import OfflineExchange
from regbot.testing.store import FixtureStores, Traffic


def passes(folder, script, tags, expect="{}", more=""):
    assert result_of(folder, suite(script, tags, expect, more)).problems == ()


def test_labels_annotations_and_dates_are_where_scripts_read_them(tmp_path):
    script = f"""
    local config = image.config("{APP}:a").Config
    assert(config.Labels["stage"] == "tested")
    assert(config.Labels["org.opencontainers.image.created"] == "2025-12-30T12:00:00Z")
    assert(manifest.get("{APP}:a").annotations["team"] == "web")
    assert(image.created("{APP}:a") == time.now() - time.duration("3d"))
    assert(image.created("{APP}:b") == nil)
    """
    tags = (
        "{a: {created: 3d, annotations: {team: web},"
        " labels: {stage: tested, org.opencontainers.image.created: 2d}}, b: }"
    )
    passes(tmp_path, script, tags)


def test_images_are_different_unless_they_are_said_to_be_the_same(tmp_path):
    script = f"""
    local function digest(name) return manifest.head("{APP}:" .. name):descriptor().Digest end
    assert(digest("a") ~= digest("b"))
    assert(digest("a") == digest("c"))
    """
    passes(tmp_path, script, "{a: 3d, b: 3d, c: {same: a}}")


def test_an_index_has_an_image_for_each_platform(tmp_path):
    script = f"""
    local index = manifest.getList("{APP}:a")
    assert(#index.Manifests == 2)
    assert(manifest.get("{APP}:a", "linux/arm64").Layers[1].Size == 1000)
    assert(image.size("{APP}:a") > 2000)
    assert(blob.get("{APP}", manifest.get("{APP}:a", "linux/amd64").Layers[1].Digest))
    """
    passes(tmp_path, script, "{a: {platforms: [linux/amd64, linux/arm64], size: 1000}}")


def test_a_part_that_is_deleted_below_a_tag_is_told(tmp_path):
    script = f"""
    manifest.get("{APP}:a", "linux/arm64"):delete()
    """
    tags = "{a: {platforms: [linux/amd64, linux/arm64]}}"
    passes(tmp_path, script, tags, "{deleted: linux/arm64 of a, kept: a}")
    (problem,) = result_of(tmp_path, suite(script, tags)).problems
    assert problem == f"{APP}:linux/arm64 of a: expected kept, but deleted"


def test_signatures_and_referrers_are_named_after_their_image(tmp_path):
    tags = "{a: {signatures: [sig, att], referrers: [application/spdx+json]}, b: {signatures: sig}}"
    script = f"""
    assert(#referrer.ls("{APP}:a") == 1)
    assert(referrer.ls("{APP}:a")[1].ArtifactType == "application/spdx+json")
    image.delete("{APP}:a", {{referrers = true}})
    """
    expect = "{deleted: [a, '* of a'], kept: [b, sig of b]}"
    passes(tmp_path, script, tags, expect)


def test_untagged_images_are_found_by_their_digest(tmp_path):
    digest = "sha256:" + "7" * 64
    script = f"""
    assert(#tag.ls("{APP}") == 1)
    manifest.get("{APP}@{digest}"):delete()
    """
    more = f"    untagged: {{lost: {{created: 3d, digest: '{digest}'}}}}\n"
    passes(tmp_path, script, "[a]", "{deleted: untagged lost}", more)


def test_an_image_with_a_digest_of_its_own_is_copied_under_it(tmp_path):
    digests = ["sha256:" + each * 64 for each in "789"]
    tags = (
        f"{{a: {{digest: '{digests[0]}', platforms:"
        f" {{linux/amd64: '{digests[1]}', linux/arm64: '{digests[2]}'}}}}}}"
    )
    script = f"""
    image.copy("{APP}:a", "mirror.example.org/app:a")
    local copy = manifest.getList("mirror.example.org/app:a")
    assert(copy:descriptor().Digest == "{digests[0]}")
    assert(copy.Manifests[2].Digest == "{digests[2]}")
    """
    more = "  mirror.example.org/app: {}\n"
    passes(tmp_path, script, tags, "{copied: 'mirror.example.org/app:a'}", more)


def test_big_layers_have_a_size_and_no_content(tmp_path):
    script = f"""
    local layer = manifest.get("{APP}:a").Layers[1]
    assert(layer.Size == 3 * 1024 * 1024)
    local ok, problem = pcall(function() return blob.get("{APP}", layer.Digest):content() end)
    assert(not ok and problem:find("a test has no big layers"))
    image.copy("{APP}:a", "mirror.example.org/app:a")
    """
    more = "  mirror.example.org/app: {}\n"
    passes(tmp_path, script, "{a: {size: 3MiB}}", "{copied: 'app:a'}", more)


def test_a_layout_folder_can_be_one_of_the_repositories(tmp_path):
    script = f'image.copy("{APP}:a", "ocidir://backup/app:a")'
    more = "  ocidir://backup/app: {}\n"
    passes(tmp_path, script, "[a]", "{copied: 'ocidir://backup/app:a'}", more)
    assert not (tmp_path / "backup").exists()


def test_a_listing_is_paged_as_a_registry_does(tmp_path):
    script = f"""
    local function page(options) return table.concat(tag.ls("{APP}", options), " ") end
    assert(page() == "a b c d")
    assert(page({{limit = 2}}) == "a b")
    assert(page({{limit = 2, last = "b"}}) == "c d")
    assert(page({{last = "bb"}}) == "c d")
    """
    result = result_of(tmp_path, suite(script, "[d, c, b, a]", "{}", "variants: false\n"))
    assert result.problems == ()


def test_a_live_run_has_no_fixture():
    with (
        pytest.raises(ValueError, match="dry runs alone"),
        open_session(
            "it",
            lambda _stop: OfflineExchange(1000),
            stop=Stop(),
            emit=ignore,
            outcomes=Outcomes(),
            terms=Terms(),
            fixture=FixtureStores([], Traffic()),
        ),
    ):
        pass
