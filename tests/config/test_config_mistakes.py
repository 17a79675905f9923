"""Each mistake, with the place it is reported at and what is said."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from support.configs import problems

SCRIPT = "scripts: [{name: a, script: x()}]\n"


def creds(line: str) -> str:
    return f"creds:\n  - registry: r.example\n    {line}\n{SCRIPT}"


def defaults(line: str) -> str:
    return f"defaults:\n  {line}\n{SCRIPT}"


def server(line: str) -> str:
    return f"server:\n  {line}\n{SCRIPT}"


def script(line: str) -> str:
    return f"scripts:\n  - name: a\n    script: x()\n    {line}\n"


MISTAKES = {
    # unknown keys
    script("frequency: 1h"): "4:5: unknown key 'frequency' (did you mean interval?)",
    script("cron: '@daily'"): "4:5: unknown key 'cron' (did you mean schedule?)",
    script("intervall: 1h"): "4:5: unknown key 'intervall' (did you mean interval?)",
    script("Timeout: 1h"): "4:5: unknown key 'Timeout' (did you mean timeout?)",
    script("parallel: 2"): "4:5: unknown key 'parallel' (it belongs under defaults)",
    script("misfire: twice"): (
        "4:14: misfire: expected once or skip, not 'twice' (write one of the two words)"
    ),
    script("overlap: kill"): (
        "4:14: overlap: expected skip or queue, not 'kill' (write one of the two words)"
    ),
    script("jitter: 10"): (
        "4:13: jitter: '10' is a duration without a unit (write 10s for seconds, 10d for days)"
    ),
    script("1: 2"): (
        "4:5: unknown key '1' (the keys here are name, script, file, retention, repositories,"
        " args, env, schedule, interval, jitter, misfire, misfireGrace, overlap, approve,"
        " approveWithin, timeout, enabled, guard, inUse; keys of your own begin with x-)"
    ),
    creds("password: hunter2"): "3:5: unknown key 'password' (did you mean pass?)",
    creds("username: me"): "3:5: unknown key 'username' (did you mean user?)",
    creds("cert: x"): "3:5: unknown key 'cert' (did you mean regcert?)",
    creds("client-cert: x"): "3:5: unknown key 'client-cert' (did you mean clientCert?)",
    creds("apiOpts: {disablehead: true}"): (
        "3:15: unknown key 'disablehead' (did you mean disableHead?)"
    ),
    defaults("skip_docker_config: true"): (
        "2:3: unknown key 'skip_docker_config' (did you mean skipDockerConfig?)"
    ),
    defaults("guard: {maxDelets: 5}"): ("2:11: unknown key 'maxDelets' (did you mean maxDeletes?)"),
    script("guard: {maxDelets: 5}"): "4:13: unknown key 'maxDelets' (did you mean maxDeletes?)",
    script("maxDeletes: 5"): "4:5: unknown key 'maxDeletes' (it belongs under defaults.guard)",
    f"default: {{}}\n{SCRIPT}": "1:1: unknown key 'default' (did you mean defaults?)",
    f"interval: 1h\n{SCRIPT}": "1:1: unknown key 'interval' (it belongs under defaults)",
    script("approved: true"): "4:5: unknown key 'approved' (did you mean approve?)",
    script("approve: maybe"): (
        "4:14: approve: expected true or false, not 'maybe' (write true or false)"
    ),
    script("hosts: []"): "4:5: unknown key 'hosts' (it belongs under server)",
    # server
    server("token: tooshort"): (
        "2:10: token: a token needs at least 16 characters (make one: openssl rand -hex 32)"
    ),
    server("token: ''"): (
        "2:10: token: a token needs at least 16 characters (make one: openssl rand -hex 32)"
    ),
    server("readToken: a secret of some words"): (
        "2:14: readToken: it has a space or a character that is not ASCII (make one without)"
    ),
    server("{token: 0123456789abcdef, readToken: 0123456789abcdef}"): (
        "2:3: token and readToken are the same, so whoever may read could delete"
        " (make another for readToken)"
    ),
    server("hosts: regbot.example.org"): (
        "2:10: hosts: expected a list, not a string (begin each entry with -)"
    ),
    server("hosts: ['regbot.example.org:8080']"): (
        "2:11: hosts: expected a host name without a port, not 'regbot.example.org:8080'"
        " (write one such as regbot.example.org)"
    ),
    server("hosts: ['*.example.org']"): (
        "2:11: hosts: expected a host name without a port, not '*.example.org'"
        " (write one such as regbot.example.org)"
    ),
    **{
        server(f"url: {url}"): (
            "2:8: url: expected an http or https URL (write one such as https://regbot.example.org)"
        )
        for url in ("regbot.example.org", "ftp://a.example", "https://", "https://u:p@a.example")
    },
    server("url: https://a.example/regbot?x=1"): (
        "2:8: url: only a scheme, a host and a port may be in it"
        " (write one such as https://regbot.example.org)"
    ),
    # duplicates
    script(
        "name: b"
    ): "4:5: key 'name' is a duplicate, the first is at line 2, column 5 (remove one)",
    SCRIPT
    + SCRIPT: "2:1: key 'scripts' is a duplicate, the first is at line 1, column 1 (remove one)",
    "scripts:\n  - {name: a, script: x}\n  - {name: ' a', script: y}\n": (
        "3:12: line 2 has a script named 'a' already (give this one another name)"
    ),
    # scripts
    "scripts:\n  - name: a\n": (
        "2:5: a script needs script, file or retention (add script: | and the Lua text)"
    ),
    "scripts:\n  - {name: a, script: '  '}\n": (
        "2:5: a script needs script, file or retention (add script: | and the Lua text)"
    ),
    "scripts:\n  - script: x()\n": "2:5: name is missing in a script (add name: ...)",
    "scripts:\n  - name:\n    script: x()\n": "2:5: name is missing in a script (add name: ...)",
    "scripts:\n  - name: ''\n    script: x()\n": (
        "2:11: name: the name is empty (give the script a name)"
    ),
    "scripts:\n  - name: a\n    file: missing.lua\n": (
        "3:11: file: there is no file 'missing.lua'"
        " (its name is relative to the folder of the config)"
    ),
    "scripts:\n  - name: a\n    file: .\n": (
        "3:11: file: can't read '.': it is a folder, not a regular file (name a Lua file)"
    ),
    "scripts: x\n": "1:10: scripts: expected a list, not a string (begin each entry with -)",
    "scripts:\n  - x\n": (
        "2:5: scripts: expected a mapping of keys and values, not a string (write key: value)"
    ),
    script(
        "args: [1]"
    ): "4:11: args: expected a mapping, not a list (write one such as {days: 30})",
    script("enabled: maybe"): (
        "4:14: enabled: expected true or false, not 'maybe' (write true or false)"
    ),
    script("env: [A B]"): (
        "4:11: env: expected the name of an environment variable, not 'A B'"
        " (write one such as MY_NAME)"
    ),
    script("env: HOME"): "4:10: env: expected a list, not a string (begin each entry with -)",
    # when
    script("interval: 30"): (
        "4:15: interval: '30' is a duration without a unit (write 30s for seconds, 30d for days)"
    ),
    script("interval: soon"): (
        "4:15: interval: expected a duration such as 30s, not 'soon'"
        " (write one such as 30s, 1h15m or 7d)"
    ),
    script("timeout: [1s]"): (
        "4:14: timeout: expected a duration such as 30s, not a list"
        " (write one such as 30s, 1h15m or 7d)"
    ),
    defaults("timeout: -5s"): (
        "2:12: timeout: '-5s' is negative (write one such as 30s, 1h15m or 7d)"
    ),
    script("schedule: often"): (
        "4:15: schedule: 'often' is not a schedule: 1 field, not 5"
        ' (write "15 3 * * *", @daily or @every 1h)'
    ),
    script(
        "schedule: 0 0 31 2 *"
    ): "4:15: schedule: '0 0 31 2 *' never occurs (there is no such day)",
    script("schedule: 0 25 * * *"): (
        "4:15: schedule: '0 25 * * *' is not a schedule: hour 25 is out of range (0-23)"
    ),
    defaults("timezone: Mars/Base"): (
        "2:13: timezone: 'Mars/Base' is not a known time zone"
        " (write one such as UTC or Europe/Paris)"
    ),
    # defaults
    defaults("parallel: -1"): "2:13: parallel: '-1' is negative (write 0 or more)",
    defaults("parallel: two"): "2:13: parallel: expected a number, not 'two' (write 0 or more)",
    defaults("blobLimit: 4 stones"): (
        "2:14: blobLimit: expected a size, not '4 stones'"
        " (write a number of bytes, or a size such as 512KiB or 4MiB)"
    ),
    defaults("memory: 1KiB"): (
        "2:11: memory: Lua doesn't start with less than 1MiB (write a size such as 256MiB)"
    ),
    defaults("luaPath: [no/such]"): (
        "2:13: luaPath: there is no folder 'no/such' (create it, or name another)"
    ),
    defaults("workDir: no/such"): (
        "2:12: workDir: there is no folder 'no/such' (create it, or name another)"
    ),
    defaults("userAgent: bøt"): (
        "2:14: userAgent: a user agent may contain only ASCII characters (remove the others)"
    ),
    f"version: 2\n{SCRIPT}": (
        "1:10: version: version 2 is newer than this regbot knows (write version: 1)"
    ),
    f"version: new\n{SCRIPT}": (
        "1:10: version: expected the number 1, not 'new' (write version: 1)"
    ),
    f"defaults: 5\n{SCRIPT}": (
        "1:11: defaults: expected a mapping of keys and values, not a string (write key: value)"
    ),
    # creds
    f"creds: [{{user: me}}]\n{SCRIPT}": "1:9: registry is missing in a creds entry"
    " (add registry: ...)",
    f"creds: [{{registry: ''}}]\n{SCRIPT}": (
        "1:20: registry: the registry is empty (write its host name, or docker.io)"
    ),
    f"creds: [{{registry: '{{{{env \"NO\"}}}}'}}]\n{SCRIPT}": (
        "1:20: registry: the registry is empty (write its host name, or docker.io)"
    ),
    f"creds: [{{registry: 'https://u:hunter2@r.example'}}]\n{SCRIPT}": (
        "1:20: registry: expected a host name with an optional :port, without a scheme"
        " (remove everything up to ://)"
    ),
    f"creds: [{{registry: 'u:hunter2@r.example'}}]\n{SCRIPT}": (
        "1:20: registry: expected a host name with an optional :port"
        " (write one such as registry.example.org:5000)"
    ),
    creds("hostname: a/b"): (
        "3:15: hostname: expected a host name with an optional :port, not 'a/b'"
        " (write one such as registry.example.org:5000)"
    ),
    creds("mirrors: [ok.example, 'bad host']"): (
        "3:27: mirrors: expected a host name with an optional :port, not 'bad host'"
        " (write one such as registry.example.org:5000)"
    ),
    creds("tls: off"): (
        "3:10: tls: expected enabled, insecure or disabled, not 'off'"
        " (write one of the three words)"
    ),
    creds("scheme: ftp"): ("3:13: scheme: expected http or https, not 'ftp' (use tls instead)"),
    creds("pass: [hunter2]"): "3:11: pass: expected a string, not a list (put it between quotes)",
    creds("regcert: /etc/ca.pem"): (
        "3:14: regcert: expected PEM text that begins with -----BEGIN"
        " (to read a file, write '{{file \"/path\"}}')"
    ),
    creds("clientCert: -----BEGIN X"): "3:5: clientCert without clientKey (add clientKey)",
    creds("clientKey: -----BEGIN X"): "3:5: clientKey without clientCert (add clientCert)",
    creds("reqPerSec: -1"): (
        "3:16: reqPerSec: '-1' is negative (write one such as 0.5; 0 for no limit)"
    ),
    creds("reqPerSec: fast"): (
        "3:16: reqPerSec: expected a number, not 'fast' (write one such as 0.5; 0 for no limit)"
    ),
    creds("reqConcurrent: -1"): "3:20: reqConcurrent: '-1' is negative (write 0 or more)",
    creds("priority: 1.5"): "3:15: priority: expected a number, not '1.5' (write 0 or more)",
    creds("blobChunk: -1"): (
        "3:16: blobChunk: expected a size, not '-1'"
        " (write a number of bytes, or a size such as 512KiB or 4MiB)"
    ),
    creds("blobMax: -2"): (
        "3:14: blobMax: expected a size, not '-2'"
        " (write a number of bytes, or a size such as 512KiB or 4MiB)"
    ),
    creds("pass: '{{enw \"X\"}}'"): (
        "3:14: pass: template: no such function (use one of env, file, default, lower, upper,"
        " trimSpace, join, split, json)"
    ),
    creds("token: '{{env \"X\"'"): "3:13: token: template: {{ without }} (close it)",
    creds("user: '{{file \"/no/such\"}}'"): (
        f"3:14: user: template: file: can't read the file: {os.strerror(errno.ENOENT)}"
        " (check its name)"
    ),
    creds("user: |\n      first\n      {{env}}"): (
        "5:9: user: template: env takes 1 argument, not 0"
        " (arguments follow the name or come from |)"
    ),
}


@pytest.mark.parametrize(("text", "problem"), MISTAKES.items(), ids=MISTAKES.values())
def test_a_mistake_is_named_with_its_place(text, problem, tmp_path):
    assert problems(text, base=tmp_path) == [f"bot.yml:{problem}"]


def test_script_and_file_are_not_both_taken(tmp_path):
    (tmp_path / "x.lua").write_text("x()")
    assert problems(script("file: x.lua"), base=tmp_path) == [
        "bot.yml:4:5: a script can't have both script and file (remove one)"
    ]


def test_an_empty_value_in_a_list_is_a_mistake():
    assert problems("scripts:\n  -\n") == [
        "bot.yml:2:4: scripts: expected a mapping of keys and values (write key: value)",
    ]


def test_a_script_file_that_can_not_be_read_is_a_mistake(tmp_path):
    (tmp_path / "loop.lua").symlink_to("loop.lua")
    for name in ("loop.lua", "x" * 300, "/dev/null"):
        (found,) = problems(f"scripts: [{{name: a, file: {name}}}]", base=tmp_path)
        assert found.startswith("bot.yml:1:27: file: can't read ")


BIG = """\
version: 7
creds:
  - registry: r.example
    pasword: hunter2
    tls: sometimes
    clientCert: -----BEGIN CERTIFICATE-----
  - registry: ""
    pass: '{{ env "X" | shout }}'
defaults:
  timeout: 10 minutes
  parallel: 1
  parallel: 2
scripts:
  - name: one
    frequency: 1h
    script: x()
    file: missing.lua
  - name: one
    schedule: 61 * * * *
  - script: !!python/name:os.system x()
extra: 1
"""


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    found = problems(BIG, environ={"X": "t0psecret"})
    places = [re.match(r"bot\.yml:(\d+):(\d+): ", line) for line in found]
    assert [(int(place[1]), int(place[2])) for place in places if place] == [
        (1, 10),
        (4, 5),
        (5, 10),
        (6, 5),
        (7, 15),
        (8, 25),
        (10, 12),
        (12, 3),
        (15, 5),
        (17, 5),
        (17, 11),
        (18, 5),
        (18, 11),
        (19, 15),
        (20, 5),
        (20, 13),
        (21, 1),
    ]
    text = "\n".join(found)
    assert "hunter2" not in text
    assert "t0psecret" not in text


def test_a_mistake_behind_an_alias_is_told_once():
    text = "x-a: &a {interval: soon}\nscripts:\n"
    text += "".join(f"  - {{<<: *a, name: {name}, script: x}}\n" for name in "bc")
    (found,) = problems(text)
    assert found.startswith("bot.yml:1:20: interval: ")


def test_long_and_many_lined_texts_do_not_flood_the_log():
    long, lines = "x" * 100_000, "a\\nb"
    for line in problems(
        f'{long}: 1\n"{lines}": 2\ndefaults: {{timeout: {long}, timezone: "{lines}"}}',
        base=Path(),
    ):
        assert len(line) < 300
        assert "\n" not in line


@pytest.mark.parametrize("field", ["pass", "token", "clientKey"])
def test_a_broken_template_does_not_show_what_is_around_it(field):
    text = f"creds: [{{registry: a.example, {field}: 'hunter2{{{{ hunter2 }}}}hunter2'}}]"
    assert "hunter2" not in "".join(problems(text))


def test_a_registry_from_the_environment_is_not_shown():
    text = "creds: [{registry: '{{env \"R\"}}'}]"
    assert "t0p secret" not in "".join(problems(text, environ={"R": "t0p secret"}))
