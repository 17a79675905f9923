"""What stays where it was when a registry refuses a delete half-way."""

from __future__ import annotations

import json

import pytest
from support.command import regbot
from support.images import make_image
from support.registry import DELETE_OFF, DISTRIBUTION_2, DISTRIBUTION_3, TestRegistry


def write(folder, registry, script, **more):
    config = {
        "creds": [{"registry": registry.host, "tls": "disabled"}],
        "scripts": [{"name": "clean", "script": script, **more}],
    }
    (folder / "bot.yml").write_text(json.dumps(config))


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("command", ["once", "apply"])
def test_signatures_stay_with_an_image_whose_tag_is_refused(tmp_path, command, guarded):
    with TestRegistry(DISTRIBUTION_3) as registry:
        image = make_image(labels={"n": "1"})
        registry.put("app", "v1", image)
        registry.put("app", f"sha256-{image.digest.hex}.sig", make_image(labels={"sig": "1"}))
        before = registry.tags("app")
        script = f'image.delete("{registry.host}/app:v1", {{referrers = true}})'
        write(tmp_path, registry, script, **({"guard": {"maxDeletes": 9}} if guarded else {}))
        plan = []
        if command == "apply":
            plan = ["plan.json"]
            regbot("plan", "-c", "bot.yml", "-o", *plan, home=tmp_path, cwd=tmp_path)
        registry.break_next("status", "DELETE", "manifests/v1$", status=403, code="DENIED", times=9)
        done = regbot(command, "-c", "bot.yml", *plan, home=tmp_path, cwd=tmp_path)
        assert done.returncode == 1
        assert "DENIED" in done.stderr
        assert registry.tags("app") == before


@pytest.mark.parametrize(
    ("kind", "path", "answer"),
    [
        ("status", "manifests/", {"status": 404, "times": 2}),
        ("status", "manifests/", {"status": 404, "times": 1}),
        ("wrong digest header", "manifests/v1$", {"times": 1}),
    ],
)
def test_odd_answers_after_a_refused_delete_don_t_keep_a_tag_from_its_manifest(
    tmp_path, kind, path, answer
):
    with TestRegistry(DISTRIBUTION_2) as registry:
        registry.put("app", "v1", make_image(labels={"n": "1"}))
        registry.put("app", "other", make_image(labels={"n": "2"}))
        before = registry.tags("app")
        write(tmp_path, registry, f'tag.delete("{registry.host}/app:v1")')

        def refuse():
            registry.break_next(
                "status", "DELETE", "manifests/sha256", status=403, code="DENIED", times=9
            )
            registry.break_next(kind, "HEAD", path, **answer)

        registry.before("PUT", "manifests/v1$", refuse)
        done = regbot("once", "-c", "bot.yml", home=tmp_path, cwd=tmp_path)
        assert done.returncode == 1
        assert "DENIED" in done.stderr
        assert registry.tags("app") == before


@pytest.mark.parametrize("command", ["once", "apply"])
def test_how_deletes_are_switched_on_is_told_once(tmp_path, command):
    with TestRegistry(DELETE_OFF) as registry:
        for number in range(6):
            image = make_image(labels={"n": str(number)})
            registry.put(f"team/app{number % 2}", f"v{number}", image)
        config = {
            "creds": [{"registry": registry.host, "tls": "disabled"}],
            "scripts": [
                {
                    "name": "tidy",
                    "repositories": [registry.host],
                    "retention": {"keep": [{"tags": ["none"]}], "allowEmpty": True},
                }
            ],
        }
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        plan = []
        if command == "apply":
            plan = ["plan.json"]
            regbot("plan", "-c", "bot.yml", "-o", *plan, home=tmp_path, cwd=tmp_path)
        done = regbot(command, "-c", "bot.yml", *plan, home=tmp_path, cwd=tmp_path)
        assert done.returncode == 1
        told = [line for line in done.stderr.splitlines() if "DELETE_ENABLED=true" in line]
        assert len(told) == 1
        assert f"to delete at {registry.host}, switch deletes on there" in told[0]
        assert done.stderr.count(': failed" script=tidy image=') == 6
        assert "DELETE_ENABLED=true" not in done.stdout
