"""A script with ``repositories`` runs for each of them."""

import json

import pytest
from support.applying import APP, OLD, bot_in
from support.registry import DISTRIBUTION_3

DELETE_OLD = """
for _, name in ipairs(tag.ls(args.repo)) do
  if name:find("^" .. args.prefix) then tag.delete(args.repo .. ":" .. name) end
end
log(args.repo)
"""


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=2)
        bot.registry.put_image("team/other", "old7", created=OLD, labels={"n": "7"})
        bot.registry.put_image("team/other", "new7", labels={"n": "8"})
        yield bot


def configure(bot, text=DELETE_OLD, parallel=1, **more):
    script = {
        "name": "tidy",
        "repositories": {"registry": bot.registry.host, "match": ["team/*"]},
        "args": {"prefix": "old"},
        "script": text,
        **more,
    }
    config = {
        "creds": [{"registry": bot.registry.host, "tls": "disabled"}],
        "defaults": {"timeout": "60s", "state": "state", "cache": "off", "parallel": parallel},
        "scripts": [script],
    }
    (bot.folder / "bot.yml").write_text(json.dumps(config))


@pytest.mark.parametrize("parallel", [0, 4])
def test_it_runs_at_each_repository_that_fits(bot, parallel):
    bot.registry.put_image("else/where", "old1")
    configure(bot, parallel=parallel)
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
    assert set(bot.registry.tags("team/other")) == {"new7"}
    assert set(bot.registry.tags("else/where")) == {"old1"}
    (run,) = bot.journalled()
    assert bot.run("undo", run).returncode == 0
    assert "old7" in bot.registry.tags("team/other")


def test_its_log_lines_name_the_repository(bot):
    configure(bot)
    lines = bot.run("once", "--logopt", "json").stderr.splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    places = {line["msg"]: line.get("repository") for line in logged if "/team/" in line["msg"]}
    assert set(places) == {f"{bot.registry.host}/{APP}", f"{bot.registry.host}/team/other"}
    assert all(message == repository for message, repository in places.items())


@pytest.mark.parametrize("guard", [{}, {"maxDeletes": 10}])
def test_one_repository_that_fails_stops_no_other(bot, guard):
    text = f"{DELETE_OLD} if args.repo:find('other') then error('no luck') end"
    configure(bot, text, **({"guard": guard} if guard else {}))
    done = bot.run("once")
    assert done.returncode == 1
    (failed,) = [line for line in done.stderr.splitlines() if 'msg="script failed"' in line]
    assert "team/other: " in failed
    assert "no luck" in failed
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
    assert ("old7" in bot.registry.tags("team/other")) == bool(guard)


def test_a_plan_has_nothing_of_a_repository_that_failed(bot):
    text = f"{DELETE_OLD} if args.repo:find('other') then error('no luck') end"
    configure(bot, text)
    assert bot.run("plan", "-o", "plan.json").returncode == 1
    plan = json.loads((bot.folder / "plan.json").read_text())
    references = [action["reference"] for action in plan["actions"]]
    assert len(references) == 2
    assert not any("team/other" in reference for reference in references)


def test_a_guard_judges_all_repositories_together(bot):
    configure(bot, guard={"maxDeletes": 2})
    for arguments in (["once", "--dry-run"], ["once"]):
        done = bot.run(*arguments)
        assert done.returncode == 1
        assert "): 3 would go (2 of " in done.stderr
        assert bot.wrote() == []
    configure(bot, guard={"maxDeletes": 3})
    assert bot.run("once").returncode == 0
    assert set(bot.registry.tags("team/other")) == {"new7"}


def test_the_scripts_after_it_see_what_it_planned(bot):
    configure(bot)
    config = json.loads((bot.folder / "bot.yml").read_text())
    after = f'for _, name in ipairs(tag.ls("{bot.registry.host}/{APP}")) do print(name) end'
    config["scripts"].append({"name": "after", "script": after})
    (bot.folder / "bot.yml").write_text(json.dumps(config))
    done = bot.run("once", "--dry-run")
    assert done.returncode == 0, done.stderr
    printed = {line for line in done.stdout.splitlines() if line in {"old0", "old1", "new0"}}
    assert printed == {"new0"}
    assert bot.wrote() == []


def test_patterns_that_fit_nothing_are_told(bot):
    configure(bot, repositories={"registry": bot.registry.host, "match": ["nothing/*"]})
    done = bot.run("once")
    assert done.returncode == 0
    assert "no repository fits" in done.stderr


def test_a_list_of_repositories_that_breaks_off_runs_nothing(bot):
    bot.registry.break_next("status", path="_catalog", status=403, times=99)
    configure(bot)
    done = bot.run("once")
    assert done.returncode == 1
    assert bot.wrote() == []
