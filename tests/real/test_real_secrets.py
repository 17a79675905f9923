"""No secret is shown by the installed command, whatever goes wrong, at its most talkative.

The texts are looked for as they are and in every form they have on the wire.
"""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.bots import LIFE, leaks, lived, run_bot
from support.command import regbot
from support.servers import PASSWORD, USER, docker_registry
from support.tokens import token_registry

ODD = "p+ss \"w/rd' = ä%20"
ANYTHING = """
local app = args.host .. "/team/app"
for _, try in ipairs({
  function() return tag.ls(app) end,
  function() return repo.ls(args.host) end,
  function() return image.copy(args.layout .. ":v1", app .. ":v1") end,
  function() return tag.delete(app .. ":v1") end,
  function() return image.config(app .. ":v1") end,
  function() error("own words") end,
}) do
  local ok, why = pcall(try)
  log(tostring(why))
  print(json.encode(args), why)
end
log.warn("environment: " .. tostring(os.getenv("BOT_PASSWORD")))
"""
FORMATS = [(), ("--logopt", "json", "--dry-run")]


@pytest.mark.parametrize("options", FORMATS, ids=["text", "json and dry run"])
def test_basic(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A password that is right, and one that is wrong."""
    with docker_registry(tmp_path / "registry", htpasswd=True) as registry:
        for password in (PASSWORD, ODD):
            variables = {"BOT_PASSWORD": password}
            creds = {"tls": "disabled", "user": USER, "pass": '{{env "BOT_PASSWORD"}}'}
            done = run_bot(
                tmp_path, ANYTHING, registry.host, *options, creds=creds, variables=variables
            )
            assert done.returncode == 0, done.stderr
            assert "status=401" in done.stderr or '"status": 401' in done.stderr
            assert not leaks(done, USER, password)


@pytest.mark.parametrize("options", FORMATS, ids=["text", "json and dry run"])
def test_tokens(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Passwords, identity tokens, and the tokens that are got for them."""
    users, identities = {USER: ODD}, {ODD: USER}
    logins = [{"user": USER, "pass": ODD}, {"token": ODD}, {"user": USER, "pass": "stranger-pw"}]
    with token_registry(tmp_path / "both", users, identities=identities) as (registry, tokens):
        for login in logins:
            creds = {"tls": "disabled", **login}
            done = run_bot(tmp_path, ANYTHING, registry.host, *options, creds=creds)
            assert done.returncode == 0, done.stderr
            assert "/token" in done.stderr
            assert not leaks(done, USER, ODD, "stranger-pw", *tokens.issued)
        assert tokens.issued


def test_a_proxy_that_can_not_work(tmp_path: Path) -> None:
    """FAQ: ``http://joe:secret@proxy.example.org:9999``: a proxy's URL holds a password."""
    secret = "secret-of-a-proxy"
    variables = {"HTTPS_PROXY": f"socks9://joe:{secret}@127.0.0.1:1"}
    script = "local ok, why = pcall(tag.ls, args.host .. '/app') log(why)"
    done = run_bot(tmp_path, script, "registry.invalid", variables=variables)
    assert "HTTPS_PROXY is not the URL of a proxy" in done.stderr
    assert not leaks(done, "joe", secret)


def test_a_config_that_is_wrong(tmp_path: Path) -> None:
    """Mistakes of a config are shown with their place, never with a secret beside it."""
    config = {
        "creds": [
            {"registry": "a.example", "user": "joe", "pass": [ODD]},
            {"registry": "b.example", "user": "joe", "pass": ODD, "tokn": "hidden-token"},
            {"registry": "c.example", "token": '{{env "X" | nope "hidden-token"}}'},
            {"registry": "d.example", "clientKey": {"a": "hidden-token"}},
        ],
        "scripts": [{"name": "a", "script": "", "interval": "1h"}],
    }
    path = tmp_path / "bot.yml"
    path.write_text(json.dumps(config))
    for command in ("check", "once"):
        done = regbot(command, "-c", str(path), home=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert not leaks(done, "joe", ODD, "hidden-token")


def test_a_broken_docker_config(tmp_path: Path) -> None:
    """What can't be read of docker's config is named, not quoted."""
    with docker_registry(tmp_path / "registry", htpasswd=True) as registry:
        folder = tmp_path / ".docker"
        folder.mkdir()
        for text in (
            json.dumps({"auths": {registry.host: {"auth": "hidden-token"}}}),
            '{"auths": {"x": {"identitytoken": "hidden-token"}',
            json.dumps({"auths": "hidden-token"}),
        ):
            (folder / "config.json").write_text(text)
            creds = {"tls": "disabled", "user": USER, "pass": PASSWORD}
            done = run_bot(tmp_path, LIFE, registry.host, creds=creds)
            lived(done)
            assert "continuing without it" in done.stderr
            assert not leaks(done, USER, "hidden-token", PASSWORD)


@pytest.mark.parametrize(
    "shown",
    ["am9lOnMrMy9jcmV0", "cyszL2NyZXQ=", "x=s%2B3%2Fcret&", "s+3/cret"],
    ids=["basic", "base64", "form", "plain"],
)
def test_this_looks_for_all_forms(shown: str) -> None:
    """What is looked for here is found."""
    done = CompletedProcess([], 0, "", f"before {shown} after")
    assert leaks(done, "joe", "s+3/cret", "other") == ["s+3/cret"]
