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
    ("look", "heads"),
    [
        ("image.created(ref)", 0),
        ("image.config(ref)", 0),
        ("manifest.get(ref)", 0),
        ("manifest.getList(ref)", 0),
        ("image.created(manifest.head(ref))", 1),
        ("image.config(manifest.head(ref))", 1),
        ("image.size(ref)", 1),
        ("manifest.exists(ref)", 1),
        ("manifest.head(ref)", 1),
        ("manifest.descriptor(ref)", 1),
        ("referrer.ls(ref)", 1),
    ],
)
def test_a_tag_that_moved_is_skipped(tmp_path, look, heads):
    with TestRegistry() as registry:
        registry.put_image("app", "build", created="2020-01-01T00:00:00Z")
        registry.before(
            "HEAD",
            "/manifests/build",
            lambda: registry.put_image("app", "build", created="2026-01-01T00:00:00Z"),
            after=heads,
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
