"""What a valid file means."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from support.configs import load, problems

from regbot.config.creds import ApiOpts, Creds
from regbot.config.load import load_config
from regbot.config.schema import (
    CacheSection,
    DefaultsSection,
    GuardSection,
    ScriptSection,
    SyncSection,
)
from regbot.config.serverfields import ServerSection
from regbot.config.sync import (
    RateLimitSection,
    ReferrerFilterSection,
    RepositoryRulesSection,
    TagRulesSection,
)
from regbot.config.values import CacheSettings, Config, Repositories, Script, ServerSettings
from regbot.errors import ConfigError
from regbot.http.hosts import ClientSettings, HostSettings, Login, Secret
from regbot.image.options import CopyOptions, ReferrerFilter
from regbot.plan.guard import Guard
from regbot.sync.rules import RateLimit, Sync, TagRules


def one_script(text: str, **around: object) -> Script:
    (script,) = load(text, **around).scripts  # type: ignore[arg-type]
    return script


def one_host(fields: str, **around: object) -> HostSettings:
    text = "creds:\n  - registry: r.example\n" + "".join(
        f"    {line}\n" for line in fields.splitlines()
    )
    (host,) = load(text, **around).client.hosts  # type: ignore[arg-type]
    return host


def test_a_file_of_the_go_program_loads_unchanged():
    config = load(
        """
        version: 1
        creds:
          - registry: docker.io
            user: "{{env \\"HUB_USER\\"}}"
            pass: '{{file "/nowhere/but/default" | default "x"}}'
        """.replace('{{file "/nowhere/but/default" | default "x"}}', '{{env "HUB_PASS"}}')
        + """
        defaults:
          parallel: 2
          interval: 60m
          timeout: 600s
        scripts:
          - name: hello
            timeout: 1m
            script: |
              log("hello")
        """,
        environ={"HUB_USER": "me", "HUB_PASS": "pw"},
    )
    (host,) = config.client.hosts
    assert (host.name, host.login) == ("docker.io", Login("me", Secret("pw")))
    assert (config.parallel, config.defaults.timeout) == (2, 600.0)
    (script,) = config.scripts
    assert (script.interval, script.timeout, script.schedule) == (3600.0, 60.0, None)
    assert script.text == b'log("hello")\n'


def test_what_is_not_set_has_its_default():
    config = load("scripts: [{name: a, script: x()}]", base=Path("/some/where"))
    defaults = config.defaults
    assert (config.parallel, config.state, config.journal_keep) == (1, None, 30 * 86400.0)
    assert (config.client.blob_limit, defaults.memory) == (4 << 20, 256 << 20)
    assert (defaults.timezone, defaults.work_dir) == ("", Path())
    assert defaults.lua_path == (Path("/some/where"),)
    assert defaults.interval is None
    assert defaults.timeout is None
    assert config.client.use_docker_config
    assert config.client.hosts == ()
    assert config.warnings == ()


def test_a_blob_limit_of_0_is_the_default():
    assert load("defaults: {blobLimit: 0}").client.blob_limit == 4 << 20


def test_folders_start_where_their_files_are(tmp_path, monkeypatch):
    current, beside = tmp_path / "current", tmp_path / "beside"
    for folder in (current / "out", beside / "modules"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(current)
    text = "defaults: {workDir: out, luaPath: [modules], state: s}\nscripts: [{name: a, script: x}]"
    config = load(text, base=beside)
    (script,) = config.scripts
    assert script.work_dir.resolve() == current / "out"
    assert script.lua_path == (beside / "modules",)
    assert config.state == beside / "s"


def test_every_field_of_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lua").mkdir()
    (tmp_path / "out").mkdir()
    config = load(
        """
        defaults:
          parallel: 0
          schedule: "15 3 * * *"
          interval: 1h
          timeout: 90s
          skipDockerConfig: true
          userAgent: acme-bot/2
          blobLimit: 8MiB
          timezone: Europe/Paris
          memory: 64MiB
          env: [HOME, REGION, HOME]
          luaPath: [lua]
          workDir: out
        scripts: [{name: a, script: x(), env: [OWN, HOME]}]
        """,
        environ={"HOME": "/h"},
        base=tmp_path,
    )
    client, (script,) = config.client, config.scripts
    assert config.parallel == 0
    assert (client.user_agent, client.blob_limit) == ("acme-bot/2", 8 << 20)
    assert not client.use_docker_config
    assert client.environment == {"HOME": "/h"}
    assert (script.schedule, script.interval, script.timeout) == ("15 3 * * *", None, 90.0)
    assert script.env == ("HOME", "REGION", "OWN")
    assert (script.memory, script.timezone) == (64 << 20, "Europe/Paris")
    assert (script.lua_path, script.work_dir) == ((tmp_path / "lua",), Path("out"))


def test_every_field_of_creds():
    host = one_host(
        """\
hostname: other.host:5000
user: 007
pass: 0123
token: yes
credHelper: docker-credential-x
credExpire: 1h
credHost: https://helper.example
tls: Insecure
pathPrefix: /hub/
mirrors: [mirror.example.org, localhost:5000]
priority: 3
repoAuth: on
blobChunk: 1MiB
blobMax: -1
reqPerSec: 0.5
reqConcurrent: 4
apiOpts: {disableHead: "true"}
"""
    )
    assert host == HostSettings(
        name="r.example",
        hostname="other.host:5000",
        login=Login(
            user="007",
            password=Secret("0123"),
            identity_token=Secret("yes"),
            helper="docker-credential-x",
            helper_key="https://helper.example",
            helper_expires=3600.0,
        ),
        tls="insecure",
        path_prefix="hub",
        mirrors=("mirror.example.org", "localhost:5000"),
        priority=3,
        repo_auth=True,
        blob_chunk=1 << 20,
        blob_max=-1,
        requests_per_second=0.5,
        concurrency=4,
        disable_head=True,
    )


def test_certificates_come_as_text_or_from_a_template(tmp_path):
    pem = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
    (tmp_path / "ca.pem").write_text(pem)
    host = one_host(
        f"regcert: '{{{{file \"{tmp_path}/ca.pem\"}}}}'\n"
        "clientCert: |\n  -----BEGIN CERTIFICATE-----\n  x\n"
        "clientKey: '{{env \"KEY\"}}'",
        environ={"KEY": "-----BEGIN PRIVATE KEY-----\nsecret\n"},
    )
    assert host.ca_certificate == pem
    assert host.client_certificate == "-----BEGIN CERTIFICATE-----\nx\n"
    assert host.client_key == Secret("-----BEGIN PRIVATE KEY-----\nsecret\n")


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_one_name(name):
    (host,) = load(f"creds: [{{registry: {name}, hostname: {name}}}]").client.hosts
    assert (host.name, host.address) == ("docker.io", "registry-1.docker.io")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", ("0 3 * * *", None)),
        ("interval: 5m", (None, 300.0)),
        ("schedule: '@daily'", ("@daily", None)),
        ("{interval: 5m, schedule: '@daily'}", ("@daily", None)),
        ("interval: 0s", ("0 3 * * *", None)),
    ],
)
def test_a_schedule_beats_an_interval_and_a_script_its_defaults(own, expected):
    fields = own.strip("{}").replace(", ", "\n    ")
    script = one_script(
        "defaults: {schedule: 0 3 * * *, interval: 1h}\n"
        f"scripts:\n  - name: a\n    script: x()\n    {fields}\n"
    )
    assert (script.schedule, script.interval) == expected


def test_args_keep_numbers_booleans_and_texts_apart():
    script = one_script(
        """
        scripts:
          - name: a
            script: x()
            args:
              days: 30
              share: 0.5
              big: 1e3
              dry: true
              none: ~
              word: yes
              on: off
              time: 1:30
              id: 0123
              long: 12345678901234567890
              quoted: "30"
              date: 2021-01-01
              list: [1, [a]]
              map: {deep: {er: -1}}
        """
    )
    assert script.args == {
        "days": 30,
        "share": 0.5,
        "big": 1000.0,
        "dry": True,
        "none": None,
        "word": "yes",
        "on": "off",
        "time": "1:30",
        "id": "0123",
        "long": "12345678901234567890",
        "quoted": "30",
        "date": "2021-01-01",
        "list": [1, ["a"]],
        "map": {"deep": {"er": -1}},
    }
    assert script.args["dry"] is True


def test_a_script_knows_the_line_its_text_begins_at():
    config = load(
        "scripts:\n  - name: a\n    script: |\n      x()\n  - {name: b, script: y()}\n"
        "  - name: c\n    script: >\n\n      z()\n"
    )
    places = [(script.chunk_name, script.line) for script in config.scripts]
    assert places[:2] == [("bot.yml", 4), ("bot.yml", 5)]
    assert config.scripts[0].place == "bot.yml:2:11"


def test_a_folded_script_counts_its_own_lines():
    """What Lua calls line 2 is none of the file's."""
    text = "scripts:\n  - name: a\n    script: >\n      x()\n      y()\n\n      z()\n"
    script = one_script(text)
    assert (script.text, script.chunk_name, script.line) == (b"x() y()\nz()\n", "", 1)


def test_a_script_file_is_read_beside_the_config(tmp_path):
    (tmp_path / "lua").mkdir()
    (tmp_path / "lua" / "clean.lua").write_bytes(b"-- \xff\nx()\n")
    script = one_script("scripts: [{name: a, file: lua/clean.lua}]", base=tmp_path)
    assert script.text == b"-- \xff\nx()\n"
    assert (script.chunk_name, script.line) == (str(tmp_path / "lua" / "clean.lua"), 1)


def test_a_switched_off_script_is_there_but_not_enabled():
    assert not one_script("scripts: [{name: a, script: x(), enabled: false}]").enabled


def test_own_keys_and_nulls_are_passed_over():
    config = load(
        """
        x-shared: &shared {timeout: 5m, x-note: mine}
        defaults:
          interval:
          schedule: null
          <<: *shared
        creds: ~
        scripts:
          - &first
            name: a
            x-owner: me
            script: &text x()
            interval: 1h
          - <<: [{name: c, enabled: no}, *first]
            name: b
            script: *text
        """
    )
    first, second = config.scripts
    assert (first.name, first.interval, first.timeout, first.enabled) == ("a", 3600.0, 300.0, True)
    assert (second.name, second.interval, second.text) == ("b", 3600.0, b"x()")
    assert not second.enabled


def test_scheme_is_taken_with_a_warning():
    config = load(
        "creds:\n  - registry: a.example\n    scheme: http\nscripts:\n  - {name: a, script: x}"
    )
    assert config.client.hosts[0].tls == "disabled"
    assert config.warnings == ("bot.yml:3:5: scheme is deprecated (write tls: disabled instead)",)


def test_a_registry_said_twice_is_one_host_with_a_warning():
    config = load(
        """\
        creds:
          - {registry: docker.io, user: a, pass: b}
          - {registry: index.docker.io, user: c, reqPerSec: 1}
        scripts: [{name: a, script: x()}]
        """
    )
    (host,) = config.client.hosts
    assert (host.login, host.requests_per_second) == (Login("c", Secret("b")), 1.0)
    assert list(config.warnings) == [
        (
            "bot.yml:3:16: registry 'docker.io' has an entry at line 2 already; this one"
            " takes precedence (merge the two entries)"
        )
    ]


def test_an_empty_template_is_a_warning():
    config = load(
        "creds:\n  - registry: a.example\n    pass: '{{env \"UNSET\"}}'\n"
        "scripts: [{name: a, script: x}]"
    )
    assert config.warnings == (
        "bot.yml:3:11: pass: the template's result is empty (is the variable or the file empty?)",
    )


def test_nothing_to_run_is_a_warning_where_scripts_are_to_be_run():
    def warnings(**settings):
        about = {"filename": "bot.yml", "environ": {}, "base": Path()}
        return load_config("version: 1", **about, **settings).warnings

    assert warnings() == ()
    assert warnings(reader=lambda _: ()) == (
        "bot.yml:1:1: there are no scripts, so nothing will run (add some under scripts)",
    )


OF_REGSYNC = {"cache_count", "cache_time", "referrer_slow", "hooks"}
"""Keys that are read and have no effect."""


@pytest.mark.parametrize(
    ("section", "values", "others"),
    [
        (Creds, (HostSettings, Login), {"scheme", "api_opts"}),
        (ApiOpts, (HostSettings,), set()),
        (GuardSection, (Guard,), set()),
        (CacheSection, (CacheSettings,), set()),
        (ServerSection, (ServerSettings,), set()),
        (DefaultsSection, (Script, ClientSettings, Config, Sync, CopyOptions), OF_REGSYNC),
        (ScriptSection, (Script,), {"script", "file", "retention"}),
        (SyncSection, (Script, Sync, CopyOptions), {"kind", "repos", "tags", *OF_REGSYNC}),
        (TagRulesSection, (TagRules,), set()),
        (RepositoryRulesSection, (Repositories,), set()),
        (ReferrerFilterSection, (ReferrerFilter,), set()),
        (RateLimitSection, (RateLimit,), set()),
    ],
)
def test_every_field_of_a_section_has_a_value_to_go_to(section, values, others):
    homes = {field.name for value in values for field in fields(value)}
    assert {key.name for key in section.keys.values()} - others <= homes


def test_an_empty_list_of_module_folders_is_none():
    assert load("defaults: {luaPath: []}").defaults.lua_path == ()


def test_a_server_needs_to_know_when():
    config = load(
        """\
        scripts:
          - {name: a, script: x()}
          - {name: b, script: x(), interval: 1h}
          - {name: c, script: x(), enabled: false}
          - {name: d, script: x(), interval: 0s}
        """
    )
    with pytest.raises(ConfigError) as caught:
        config.require_schedules()
    advice = "(add one here or in defaults, or use regbot once)"
    assert caught.value.problems == (
        f"bot.yml:2:12: script 'a' has neither schedule nor interval {advice}",
        f"bot.yml:5:12: script 'd' has neither schedule nor interval {advice}",
    )
    load("scripts: [{name: a, script: x(), schedule: '@daily'}]").require_schedules()


def test_no_secret_is_in_the_repr_of_a_config():
    config = load(
        "creds: [{registry: a.example, user: u, pass: hunter2, token: '{{env \"T\"}}'}]",
        environ={"T": "t0psecret"},
    )
    shown = repr(config.client.hosts)
    assert "hunter2" not in shown
    assert "t0psecret" not in shown


class TestReading:
    """How registries are read: ahead of scripts, and from a cache."""

    def test_both_are_on_by_default(self):
        config = load("defaults: {}")
        assert (config.readahead, config.cache) == (32, CacheSettings(None, 1024**3))

    @pytest.mark.parametrize("text", ["off", "false", "no", "{size: 0}"])
    def test_the_cache_is_off(self, text):
        assert load(f"defaults: {{cache: {text}}}").cache.size == 0

    @pytest.mark.parametrize("text", ["on", "true", "{}", "", "{size: }"])
    def test_the_cache_is_on(self, text):
        assert load(f"defaults: {{cache: {text}}}").cache == CacheSettings()

    def test_where_and_how_large(self, tmp_path):
        text = "defaults: {readahead: 0, cache: {dir: kept, size: 2MiB}}"
        config = load(text, base=tmp_path)
        assert config.readahead == 0
        assert config.cache == CacheSettings(tmp_path / "kept", 2 * 1024 * 1024)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("cache: 1GiB", "1:19: cache: expected off or a mapping, not '1GiB' (write off, or"),
            ("cache: [a]", "1:19: cache: expected a mapping of keys and values (write"),
            ("cache: {size: much}", "1:26: size: expected a size, not 'much'"),
            ("cache: {dir: ''}", "1:25: dir: the folder's name is empty"),
            ("readahead: -1", "1:23: readahead: '-1' is negative (write 0 or more)"),
            ("readahead: off", "1:23: readahead: expected a number, not 'off'"),
        ],
    )
    def test_mistakes(self, text, problem):
        (found,) = problems(f"defaults: {{{text}}}\nscripts: [{{name: a, script: x}}]")
        assert found.startswith(f"bot.yml:{problem}")


class TestServer:
    """Who may look at the pages of a server, and ask it for something."""

    def test_without_the_section_everybody_may_read_and_nobody_ask(self):
        assert load("version: 1").server == ServerSettings(None, None, (), "")

    def test_every_field(self):
        config = load(
            """
            server:
              token: ' {{env "TOKEN"}} '
              readToken: 0123456789abcdef
              hosts: [Regbot.Example.org, localhost, "2001:db8::1", regbot.example.org]
              url: https://Bot.example.org:8443/
            """,
            environ={"TOKEN": "sesame-sesame-sesame\n"},
        )
        server = config.server
        assert server == ServerSettings(
            token=Secret("sesame-sesame-sesame"),
            read_token=Secret("0123456789abcdef"),
            hosts=("regbot.example.org", "localhost", "2001:db8::1"),
            url="https://bot.example.org:8443",
        )
        assert server.names == {
            "regbot.example.org",
            "localhost",
            "2001:db8::1",
            "bot.example.org",
        }
        assert "sesame" not in repr(server)
        server.require_tokens()

    def test_a_token_whose_variable_is_empty_is_known_but_fits_nothing(self):
        """Commands that need no token work, and a server with a page doesn't start."""
        config = load(
            "server: {token: '{{env \"T\"}}', readToken: '{{env \"R\"}}'}\n"
            "scripts: [{name: a, script: x()}]"
        )
        assert (config.server.token, config.server.read_token) == (Secret(), Secret())
        why = "the template's result is empty (is the variable or the file empty?)"
        assert config.warnings == (
            f"bot.yml:1:17: token: {why}",
            f"bot.yml:1:43: readToken: {why}",
        )
        with pytest.raises(ConfigError) as caught:
            config.server.require_tokens()
        advice = "is empty (is the variable or the file of its template empty?)"
        assert caught.value.problems == (
            f"server.token {advice}",
            f"server.readToken {advice}",
        )

    def test_a_mistake_in_a_token_does_not_show_it(self):
        (problem,) = problems("server: {token: hunter2}")
        assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("defaults", "own", "expected"),
    [
        ("{}", "", (False, 86400.0)),
        ("{}", "approve: true", (True, 86400.0)),
        ("{approve: true, approveWithin: 2h}", "", (True, 7200.0)),
        ("{approve: true, approveWithin: 2h}", "approve: false", (False, 7200.0)),
        ("{approve: true}", "approveWithin: 0", (True, 86400.0)),
    ],
)
def test_a_script_may_wait_for_approval(defaults, own, expected):
    script = one_script(
        f"defaults: {defaults}\nscripts:\n  - name: a\n    script: x()\n    {own}\n"
    )
    assert (script.approve, script.approve_within) == expected
