"""Nothing goes beside what was asked, when a step of a removal can't be done (law 2)."""

import json

import pytest
from support.command import regbot
from support.images import make_image
from support.registry import TestRegistry

AMD = make_image(platform="linux/amd64")
ARM = make_image(platform="linux/arm64")
S390 = make_image(platform="linux/s390x")


@pytest.fixture
def registry():
    with TestRegistry() as registry:
        registry.put_index("app", "old", {"linux/amd64": AMD, "linux/arm64": ARM})
        registry.put_image("app", "other", labels={"x": "y"})
        yield registry


@pytest.fixture
def run(tmp_path, registry):
    def run(command, script, *flags, guard=None):
        config = {
            "creds": [{"registry": registry.host, "tls": "disabled"}],
            "defaults": {"guard": guard or {}, "state": "state"},
            "scripts": [{"name": "a", "script": f'repo = "{registry.host}/app"\n{script}'}],
        }
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        return regbot(*command, "-c", str(tmp_path / "bot.yml"), *flags, home=tmp_path)

    run.plan_file = str(tmp_path / "plan.json")
    return run


REMOVE = 'image.delete(repo .. ":old", {children = true})'


def whole(registry, tag):
    """Whether an index and all it lists is there."""
    manifests = registry.manifests("app")
    root = json.loads(manifests[registry.tags("app")[tag]])
    return all(child["digest"] in manifests for child in root["manifests"])


def plan_and_apply(run, script, between=lambda: None, guard=None):
    planned = run(("plan",), script, "-o", run.plan_file)
    assert planned.returncode == 0, planned.stderr
    between()
    return run(("apply", run.plan_file), script, guard=guard)


@pytest.mark.parametrize("guard", [None, {"maxDeletes": 100}])
def test_a_refused_tag_keeps_its_children(run, registry, guard):
    registry.break_next(method="DELETE", path="manifests/old", times=100, status=403)
    done = run(("once",), REMOVE, guard=guard)
    assert done.returncode == 1
    assert whole(registry, "old")


def test_a_tag_refused_in_apply_keeps_its_children(run, registry):
    def refuse():
        registry.break_next(method="DELETE", path="manifests/old", times=100, status=403)

    assert plan_and_apply(run, REMOVE, refuse).returncode == 1
    assert whole(registry, "old")


def test_a_tag_protected_since_the_plan_keeps_its_children(run, registry):
    done = plan_and_apply(run, REMOVE, guard={"protect": ["old"]})
    assert done.returncode == 1
    assert "protect old" in done.stderr
    assert whole(registry, "old")


@pytest.mark.parametrize("tag", ["old", "new"])
def test_a_child_that_another_index_uses_since_the_plan_stays(run, registry, tag):
    def push():
        registry.put_index("app", tag, {"linux/amd64": AMD, "linux/s390x": S390})

    plan_and_apply(run, REMOVE, push)
    assert whole(registry, tag)


def test_a_tag_that_moves_during_a_live_removal_keeps_all(run, registry):
    def push():
        registry.put_index("app", "old", {"linux/amd64": AMD, "linux/s390x": S390})

    registry.before("HEAD", "manifests/old", push, after=1)
    assert run(("once",), REMOVE).returncode == 0
    assert whole(registry, "old")


@pytest.mark.parametrize(
    ("options", "guard"),
    [("{unlessTagged = true}", None), ("{}", {"protect": ["release*"]})],
)
def test_a_tag_that_came_a_moment_ago_counts(run, registry, options, guard):
    """The first delete reads the tags; the second must not rest on that alone."""
    second = registry.put_image("app", "", labels={"second": "1"})
    first = registry.put_image("app", "", labels={"first": "1"})

    registry.before("DELETE", first, lambda: registry.tag("app", "release-1", second))
    script = f"""
        manifest.delete(repo .. "@{first}", {options})
        manifest.delete(repo .. "@{second}", {options})
    """
    planned = run(("plan",), script.replace(options, "{}"), "-o", run.plan_file)
    assert planned.returncode == 0, planned.stderr
    done = run(("apply", run.plan_file), script, guard=guard) if guard else run(("once",), script)
    assert "release-1" in done.stderr
    assert registry.tags("app")["release-1"] == second
    assert second in registry.manifests("app")


def test_a_guard_counts_a_repository_once_whatever_it_is_called(tmp_path):
    with TestRegistry() as registry:
        for number in range(10):
            registry.put_image("app", f"t{number}", labels={"n": str(number)})
        names = [registry.host, "alias-1.example.org", "alias-2.example.org"]
        creds = [{"registry": names[0], "tls": "disabled"}]
        creds += [
            {"registry": name, "hostname": registry.host, "tls": "disabled"} for name in names[1:]
        ]
        deletes = [f"tag.delete('{names[n % 3]}/app:t{n}')" for n in range(9)]
        config = {
            "creds": creds,
            "defaults": {"guard": {"maxDeletePercent": 40}},
            "scripts": [{"name": "a", "script": "\n".join(deletes)}],
        }
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        done = regbot("once", "-c", str(tmp_path / "bot.yml"), home=tmp_path)
        assert done.returncode == 1
        assert "9 of 10 tags" in done.stderr
        assert len(registry.tags("app")) == 10

        config["defaults"]["guard"] = {"protect": [f"{registry.host}/app:t1"]}
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        done = regbot("once", "-c", str(tmp_path / "bot.yml"), home=tmp_path)
        assert done.returncode == 1
        assert len(registry.tags("app")) == 10
