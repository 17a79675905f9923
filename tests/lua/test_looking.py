"""What a script has seen, and what it is told of what it can't see."""

import pytest
from support.command import regbot
from support.registry import TestRegistry


def run(registry, folder, text):
    config = folder / "bot.yml"
    config.write_text(f"creds: [{{registry: '{registry.host}', tls: disabled}}]")
    text = f"local repo = '{registry.host}/app' local ref = repo .. ':build' {text}"
    return regbot("run", "-c", str(config), "-e", text, "--json", home=folder)


@pytest.mark.parametrize(
    ("look", "gets"),
    [
        ("image.created(ref)", 1),
        ("image.config(ref)", 1),
        ("manifest.get(ref)", 1),
        ("manifest.getList(ref)", 1),
        ("image.created(manifest.head(ref))", 0),
        ("image.config(manifest.head(ref))", 0),
        ("image.size(ref)", 0),
        ("manifest.exists(ref)", 0),
        ("manifest.head(ref)", 0),
        ("manifest.descriptor(ref)", 0),
        ("referrer.ls(ref)", 0),
    ],
)
def test_a_tag_that_moved_is_skipped(tmp_path, look, gets):
    """It moves after the look, which takes so many GETs of the tag, and before the delete's."""
    with TestRegistry() as registry:
        registry.put_image("app", "build", created="2020-01-01T00:00:00Z")
        registry.before(
            "GET",
            "/manifests/build",
            lambda: registry.put_image("app", "build", created="2026-01-01T00:00:00Z"),
            after=gets,
        )
        done = run(registry, tmp_path, f"{look} tag.delete(ref)")
        assert done.returncode == 0, done.stderr
        assert "moved since the script looked" in done.stderr
        assert list(registry.tags("app")) == ["build"]


@pytest.mark.parametrize("status", [401, 403, 400])
def test_only_a_clear_no_means_that_a_manifest_is_not_there(tmp_path, status):
    with TestRegistry() as registry:
        registry.put_image("app", "build")
        text = "return manifest.exists(ref), manifest.exists(repo .. ':other')"
        assert run(registry, tmp_path, text).stdout == "[true, false]\n"
        registry.break_next(method="HEAD", path="/manifests/build", status=status, times=9)
        done = run(registry, tmp_path, text)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{status}" in done.stderr
