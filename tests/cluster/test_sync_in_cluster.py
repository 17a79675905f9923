"""Sync by workers: each repository of a registry is a unit, and guards judge them together."""

from __future__ import annotations

import json

import pytest
from support.clusterbot import cluster_bot
from support.registry import TestRegistry

NAMES = ("team/a", "team/b", "team/c")


@pytest.fixture
def bot(tmp_path, database_url):
    with cluster_bot(tmp_path, database_url) as bot:
        yield bot


@pytest.fixture
def source():
    with TestRegistry() as source:
        for name in NAMES:
            for tag in ("1", "2"):
                source.put_image(name, tag, labels={"n": f"{name} {tag}"})
        yield source


def configure(bot, source, **entry):
    entry = {
        "name": "copies",
        "source": source.host,
        "target": f"{bot.registry.host}/copies",
        "type": "registry",
        **entry,
    }
    hosts = [{"registry": each.host, "tls": "disabled"} for each in (source, bot.registry)]
    bot.configure_all({}, creds=hosts)
    path = bot.folder / "bot.yml"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "scripts": [], "sync": [entry]}))


def copies(bot):
    return {name: frozenset(bot.registry.tags(f"copies/{name}")) for name in NAMES}


def test_the_repositories_of_a_registry_are_shared(bot, source):
    configure(bot, source)
    with bot.worker("--concurrency", "2"):
        done = bot.run("once", "--cluster")
        assert done.returncode == 0, done.stderr
        assert copies(bot) == dict.fromkeys(NAMES, frozenset({"1", "2"}))
        units = bot.run("units", bot.runs()[0].id)
    assert units.stdout.count("repository") == len(NAMES)
    assert len(bot.journalled()[bot.runs()[0].id]) == 6


def test_a_guard_judges_what_all_of_them_clean_up(bot, source):
    for name in NAMES:
        bot.registry.put_image(f"copies/{name}", "old")
    configure(bot, source, cleanup=True, guard={"maxDeletes": 2})
    with bot.worker("--concurrency", "2"):
        done = bot.run("once", "--cluster")
    assert done.returncode == 1
    assert copies(bot) == dict.fromkeys(NAMES, frozenset({"old"}))
    configure(bot, source, cleanup=True, guard={"maxDeletes": 3})
    with bot.worker("--concurrency", "2"):
        done = bot.run("once", "--cluster")
    assert done.returncode == 0, done.stderr
    assert copies(bot) == dict.fromkeys(NAMES, frozenset({"1", "2"}))
