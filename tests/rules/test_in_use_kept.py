"""What is in use is kept, whatever deletes it: the installed command over a registry."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from support.applying import APP, bot_in, index_of
from support.command import regbot
from support.images import make_image, make_index
from support.kube import kube_server, pod_spec, template
from support.registry import GITEA

DELETES = {
    "tag.delete": 'tag.delete(app .. ":v1")',
    "manifest.delete": 'manifest.getList(app .. ":v1"):delete()',
    "image.delete": 'image.delete(app .. ":v1", {children = true, referrers = true})',
}
WAYS = ("once", "guard", "dry-run", "apply")


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        yield bot


def name(bot, text: str) -> str:
    return text.replace("APP", bot.app)


def listed(bot, *lines: str) -> dict:
    """A file with references, as a source. ``APP`` is the repository of the tests."""
    (bot.folder / "images.txt").write_text("".join(f"{name(bot, line)}\n" for line in lines))
    return {"file": "images.txt"}


def carry_out(bot, script: str, way: str, in_use: dict, **defaults):
    """Run a script in one of the ways; for a plan, nothing is in use yet while it is made."""
    settings = {"guard": {"maxDeletes": 100}} if way == "guard" else {}
    scripts = {"clean": {"script": script, **settings}}
    if way == "apply":
        bot.configure_all(scripts, **defaults)
        assert bot.make_plan()["actions"]
        bot.configure_all(scripts, inUse=in_use, **defaults)
        return bot.apply()
    bot.configure_all(scripts, inUse=in_use, **defaults)
    return bot.run("once", *(["--dry-run"] if way == "dry-run" else []))


def is_kept(bot, done, user: str = "") -> None:
    """Nothing was deleted, and the output says why."""
    assert done.returncode == 0, done.stderr
    assert f"in use by {user}" in done.stdout + done.stderr
    assert bot.wrote() == []


@pytest.mark.parametrize("delete", DELETES)
@pytest.mark.parametrize(
    ("way", "line"),
    [
        *((way, "APP@DIGEST") for way in WAYS),
        *(("once", line) for line in ("APP:v1", "other.example/x@DIGEST", "CONFIG")),
    ],
)
def test_an_image_in_use_beats_every_delete(bot, way, delete, line):
    image = make_image(labels={"n": "1"})
    bot.registry.put(APP, "v1", image)
    digests = {"DIGEST": str(image.digest), "CONFIG": image.manifest.config.digest.hex}
    for word, digest in digests.items():
        line = line.replace(word, digest)
    done = carry_out(bot, DELETES[delete], way, listed(bot, line))
    is_kept(bot, done, "line 1 of images.txt")
    assert set(bot.registry.tags(APP)) == {"v1"}


@pytest.mark.parametrize(
    ("delete", "way"), [*((delete, "once") for delete in DELETES), ("tag.delete", "dry-run")]
)
@pytest.mark.parametrize("part", ["index", "child", "config"])
def test_an_index_is_in_use_by_any_part_of_it(bot, way, delete, part):
    children = index_of("linux/amd64", "linux/arm64")
    child = children["linux/arm64"]
    bot.registry.put_index(APP, "v1", children)
    line = {
        "index": f"APP@{bot.registry.tags(APP)['v1']}",
        "child": f"APP@{child.digest}",
        "config": f"docker://{child.manifest.config.digest}",
    }[part]
    is_kept(bot, carry_out(bot, DELETES[delete], way, listed(bot, line)))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_in_use_is_deleted(bot, way):
    bot.registry.put_index(APP, "v1", index_of("linux/amd64", labels={"n": "old"}))
    bot.registry.put_index(APP, "v2", index_of("linux/amd64", labels={"n": "new"}))
    used = bot.registry.tags(APP)["v2"]
    script = 'tag.delete(app .. ":v1") tag.delete(app .. ":v2")'
    done = carry_out(bot, script, way, listed(bot, f"APP@{used}", "0" * 64))
    assert done.returncode == 0, done.stderr
    assert "in use by line 1" in done.stdout + done.stderr
    left = {"v1", "v2"} if way == "dry-run" else {"v2"}
    assert set(bot.registry.tags(APP)) == left


@pytest.mark.parametrize("line", ["APP:multi", "APP@DIGEST"])
@pytest.mark.parametrize("tagged", [True, False])
def test_what_an_index_in_use_lists_is_kept_too(bot, line, tagged):
    """A pod on another node may need the other child; a moved tag leaves an index untagged."""
    children = index_of("linux/amd64", "linux/arm64")
    bot.registry.put_index(APP, "multi", children)
    digest = bot.registry.tags(APP)["multi"]
    if not tagged:
        if line == "APP:multi":
            pytest.skip("a tag in use that is not there leads nowhere")
        bot.registry.put(APP, "multi", make_image(labels={"n": "moved"}))
    arm = children["linux/arm64"].digest
    script = f'manifest.get(app .. "@{arm}"):delete()'
    in_use = listed(bot, line.replace("DIGEST", digest))
    is_kept(bot, carry_out(bot, script, "once", in_use))


def test_a_moved_tag_keeps_its_old_digest_and_its_new_one(bot):
    """A pod runs what the tag was on; another tag still is."""
    old, new = make_image(labels={"n": "old"}), make_image(labels={"n": "new"})
    bot.registry.put(APP, "v1", new)
    bot.registry.put(APP, "copy", old)
    script = 'for _, t in ipairs(tag.ls(app)) do tag.delete(app .. ":" .. t) end'
    is_kept(bot, carry_out(bot, script, "once", listed(bot, f"APP:v1@{old.digest}")))
    assert set(bot.registry.tags(APP)) == {"v1", "copy"}


def test_a_registry_that_deletes_a_manifest_with_its_last_tag_keeps_a_listed_one(tmp_path):
    with bot_in(tmp_path, GITEA, users={"robot": "s3cret"}) as bot:
        children = index_of("linux/amd64", "linux/arm64")
        bot.registry.put_index(APP, "moved", children)
        index = bot.registry.tags(APP)["moved"]
        bot.registry.put(APP, "moved", make_image(labels={"n": "moved"}))
        bot.registry.put(APP, "arm", children["linux/arm64"])
        login = {"registry": bot.registry.host, "user": "robot", "pass": "s3cret"}
        bot.configure_all(
            {"clean": {"script": 'tag.delete(app .. ":arm")'}},
            [{**login, "tls": "disabled"}],
            inUse=listed(bot, f"APP@{index}"),
        )
        is_kept(bot, bot.run("once"))


def test_names_of_one_registry_are_one(bot):
    port = bot.registry.host.rpartition(":")[2]
    bot.registry.put(APP, "v1", make_image())
    done = carry_out(bot, DELETES["tag.delete"], "once", listed(bot, f"localhost:{port}/{APP}:v1"))
    is_kept(bot, done)


def test_an_image_of_a_mirror_is_rewritten(bot):
    bot.registry.put(APP, "v1", make_image())
    in_use = listed(bot, "mirror.example/cache/app:v1")
    in_use["rewrite"] = {"mirror.example/cache": f"{bot.registry.host}/team"}
    is_kept(bot, carry_out(bot, DELETES["tag.delete"], "once", in_use))


def test_an_untagged_reference_is_latest(bot):
    bot.registry.put(APP, "latest", make_image())
    done = carry_out(bot, 'tag.delete(app .. ":latest")', "once", listed(bot, "APP"))
    is_kept(bot, done)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("delete", DELETES)
def test_a_source_that_can_t_be_read_stops_every_delete(bot, way, delete):
    bot.registry.put(APP, "v1", make_image())
    in_use = {**listed(bot, "other:1"), "compose": ["gone.yml"]}
    again = "" if way == "apply" else f"pcall(function() {DELETES[delete]} end) "
    done = carry_out(bot, again + DELETES[delete], way, in_use)
    assert done.returncode == 1
    assert "nothing is deleted, since gone.yml can't be read" in done.stderr
    assert bot.wrote() == []


def test_nothing_is_read_by_a_run_that_deletes_nothing(bot):
    bot.registry.put(APP, "v1", make_image())
    script = 'image.copy(app .. ":v1", app .. ":v2")'
    done = carry_out(bot, script, "once", {"command": ["touch", "asked"]})
    assert done.returncode == 0, done.stderr
    assert not (bot.folder / "asked").exists()


@pytest.mark.parametrize("how", ["signal", "timeout"])
def test_a_source_that_hangs_outlives_no_run(bot, how):
    bot.registry.put(APP, "v1", make_image())
    hanging = bot.folder / "hang.sh"
    hanging.write_text(
        "#!/bin/sh\nexec 3>&2 2>/dev/null\necho $$ >pid.part\nmv pid.part pid\nexec sleep 600\n"
    )
    hanging.chmod(0o755)
    limit = {"timeout": "2s"} if how == "timeout" else {}
    bot.configure_all(
        {"clean": {"script": DELETES["tag.delete"], **limit}}, inUse={"command": ["./hang.sh"]}
    )
    process = bot.start("once")
    try:
        while not (bot.folder / "pid").exists():
            assert process.poll() is None
            time.sleep(0.02)
        if how == "signal":
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == (130 if how == "signal" else 1)
    finally:
        process.kill()
        process.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(int((bot.folder / "pid").read_text()), 0)
    assert bot.wrote() == []


def test_nothing_more_is_read_of_images_for_the_digests_in_use(bot):
    """A digest that may be one of a config is the exception."""
    for number in range(5):
        bot.registry.put(APP, f"v{number}", make_image(labels={"n": str(number)}))
    script = 'for _, t in ipairs(tag.ls(app)) do tag.delete(app .. ":" .. t) end'

    def asked(in_use: dict) -> list[str]:
        bot.registry.forget()
        done = carry_out(bot, script, "dry-run", in_use, cache="off")
        assert done.returncode == 0, done.stderr
        return sorted(f"{entry.method} {entry.path}" for entry in bot.registry.requests)

    plain = asked(listed(bot, "APP:other"))
    assert asked(listed(bot, f"x.example/y@sha256:{'0' * 64}")) == plain
    assert sum("GET" in line and "manifests" in line for line in asked(listed(bot, "0" * 64))) == 5


def test_sources_are_read_once_a_run(bot):
    for tag in ("a", "b", "c"):
        bot.registry.put(APP, tag, make_image(labels={"n": tag}))
    counting = bot.folder / "list.sh"
    counting.write_text(f"#!/bin/sh\necho >> asked\necho {bot.app}:c\n")
    counting.chmod(0o755)
    scripts = {
        tag: {"script": f'tag.delete(app .. ":{tag}")', "guard": {"maxDeletes": 9}}
        for tag in ("a", "b", "c")
    }
    bot.configure_all(scripts, inUse={"command": ["./list.sh"]}, parallel=3)
    assert bot.run("once").returncode == 0
    assert set(bot.registry.tags(APP)) == {"c"}
    assert (bot.folder / "asked").read_text() == "\n"


def test_a_dry_run_shows_what_is_kept_as_a_live_run_leaves_it(bot):
    """By its digest too, which is found out behind the script."""
    images = {tag: make_image(labels={"n": tag}) for tag in ("a", "b", "c")}
    for tag, image in images.items():
        bot.registry.put(APP, tag, image)
    script = """
    for _, t in ipairs(tag.ls(app)) do tag.delete(app .. ":" .. t) end
    print(table.concat(tag.ls(app), " "))
    """
    in_use = listed(bot, "APP:a", f"APP@{images['b'].digest}")
    dry = carry_out(bot, script, "dry-run", in_use)
    live = carry_out(bot, script, "once", in_use)
    assert dry.stdout.splitlines()[0] == live.stdout.splitlines()[0] == "a b"
    assert set(bot.registry.tags(APP)) == {"a", "b"}


def test_what_is_in_use_breaks_no_guard(bot):
    """Neither counts it as deleted, nor does a pattern that protects it fail the script."""
    bot.registry.put(APP, "v1", make_image(labels={"n": "1"}))
    bot.registry.put(APP, "v2", make_image(labels={"n": "2"}))
    script = 'tag.delete(app .. ":v1") tag.delete(app .. ":v2")'
    bot.configure_all(
        {"clean": {"script": script, "guard": {"maxDeletes": 1, "protect": ["v1"]}}},
        inUse=listed(bot, "APP:v1"),
    )
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"v1"}


def test_a_script_adds_its_sources_to_those_of_the_defaults(bot):
    for tag in ("a", "b", "c"):
        bot.registry.put(APP, tag, make_image(labels={"n": tag}))
    (bot.folder / "more.txt").write_text(f"{bot.app}:b\n")
    script = 'for _, t in ipairs(tag.ls(app)) do tag.delete(app .. ":" .. t) end'
    bot.configure_all(
        {"clean": {"script": script, "inUse": {"file": "more.txt"}}}, inUse=listed(bot, "APP:a")
    )
    assert bot.run("once").returncode == 0
    assert set(bot.registry.tags(APP)) == {"a", "b"}


def test_the_reason_is_in_the_report_and_in_the_history(bot):
    bot.registry.put(APP, "v1", make_image(labels={"n": "1"}))
    bot.registry.put(APP, "v2", make_image(labels={"n": "2"}))
    script = 'tag.delete(app .. ":v1") tag.delete(app .. ":v2")'
    bot.configure_all({"clean": {"script": script}}, inUse=listed(bot, "APP:v1"))
    done = bot.run("once", "--report", "report.json")
    assert done.returncode == 0, done.stderr
    assert "in use by line 1 of images.txt" in (bot.folder / "report.json").read_text()
    (line,) = [line for line in done.stderr.splitlines() if "in use by" in line]
    assert "level=WARN" in line


def test_a_cluster_keeps_what_it_runs(bot):
    running, old = make_image(labels={"n": "running"}), make_image(labels={"n": "old"})
    for tag, image in {"v1": old, "v2": running, "v3": make_image()}.items():
        bot.registry.put(APP, tag, image)
    with kube_server() as server:
        server.kubeconfig(bot.folder / "kubeconfig", "eu1", "us1")
        server.add("deployments", "web", spec=template(f"{bot.app}:v3"))
        status = {"imageID": f"{bot.app}@{running.digest}", "image": "gone:1"}
        pod = {"spec": pod_spec(f"{bot.app}:v3"), "status": {"containerStatuses": [status]}}
        server.add("pods", "web", **pod)
        script = 'for _, t in ipairs(tag.ls(app)) do tag.delete(app .. ":" .. t) end'
        in_use = {"kubernetes": {"contexts": ["eu1", "us1"], "kubeconfig": "kubeconfig"}}
        done = carry_out(bot, script, "once", in_use)
        assert done.returncode == 0, done.stderr
        assert set(bot.registry.tags(APP)) == {"v2", "v3"}
        assert "in use by deployment prod/web (context eu1) and 3 more" in done.stderr
        server.refuse["secrets"] = 403
        done = carry_out(bot, script, "once", in_use)
        assert done.returncode == 1
        assert "nothing is deleted, since context eu1 can't be read: its secrets" in done.stderr
        assert set(bot.registry.tags(APP)) == {"v2", "v3"}


def test_the_command_lists_what_is_in_use_by_source(bot):
    (bot.folder / "compose.yml").write_text("services: {web: {image: nginx}}")
    bot.configure_all(
        {"clean": {"script": "", "inUse": {"compose": ["compose.yml", "gone.yml"]}}},
        inUse=listed(bot, "APP:v1"),
    )
    done = bot.run("in-use")
    assert done.returncode == 1
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["compose.yml", "nginx", "service", "web", "(compose.yml)"] in rows
    assert ["images.txt", f"{bot.app}:v1", "line", "1", "of", "images.txt"] in rows
    assert "images.txt: 1 image" in done.stdout
    assert "gone.yml: not read" in done.stdout
    assert "gone.yml can't be read" in done.stderr
    assert bot.registry.requests == []


def test_the_command_says_when_there_is_no_source(bot):
    bot.configure("")
    done = bot.run("in-use")
    assert done.returncode == 0
    assert "no source of images in use" in done.stdout


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_command_is_run_for_a_config_that_is_the_user_s_own_alone(bot, mode):
    bot.configure_all({"clean": {"script": ""}}, inUse={"command": ["touch", "made"]})
    (bot.folder / "bot.yml").chmod(mode)
    for command in ("once", "check", "in-use"):
        done = bot.run(command)
        assert done.returncode == 2
        assert "others can write to the file" in done.stderr
    assert not (bot.folder / "made").exists()
    (bot.folder / "bot.yml").chmod(0o644)
    assert bot.run("check").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_command_in_the_config_of_another_user_is_not_run(bot):
    bot.configure_all({"clean": {"script": ""}}, inUse={"command": ["touch", "made"]})
    os.chown(bot.folder / "bot.yml", 12345, 12345)
    assert bot.run("check").returncode == 2


def test_the_library_keeps_what_is_in_use(bot):
    from regbot import Client

    bot.registry.put(APP, "v1", make_image(labels={"n": "1"}))
    bot.registry.put(APP, "v2", make_image(labels={"n": "2"}))
    bot.configure_all({"clean": {"script": ""}}, inUse=listed(bot, "APP:v1"))
    with Client(config=bot.folder / "bot.yml") as client:
        assert client.tag_delete(f"{bot.app}:v1").status == "skipped"
        assert client.tag_delete(f"{bot.app}:v2").status == "done"


def test_help_tells_of_the_command(tmp_path):
    assert "in-use" in regbot("--help", home=tmp_path).stdout
    assert "seenWithin" in regbot("in-use", "--help", home=tmp_path).stdout


def test_an_index_without_some_child_is_judged_by_the_others(bot):
    """A copy of one platform leaves an index with children that are not there."""
    here, gone = make_image(platform="linux/amd64"), make_image(platform="linux/arm64")
    bot.registry.put(APP, "v1", make_index({"linux/amd64": here, "linux/arm64": gone}))
    used = f"docker://{here.manifest.config.digest}"
    is_kept(bot, carry_out(bot, DELETES["tag.delete"], "once", listed(bot, used)))


def test_the_plan_does_not_hold_what_is_in_use(bot):
    bot.registry.put(APP, "v1", make_image(labels={"n": "1"}))
    bot.registry.put(APP, "v2", make_image(labels={"n": "2"}))
    script = 'tag.delete(app .. ":v1") tag.delete(app .. ":v2")'
    bot.configure_all({"clean": {"script": script}}, inUse=listed(bot, "APP:v1"))
    (action,) = bot.make_plan()["actions"]
    assert json.dumps(action).count(":v2") == 1
