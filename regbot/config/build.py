"""Builds a Config from validated models: fills in defaults, merges hosts, collects warnings."""

from __future__ import annotations

from pathlib import Path

from regbot.config.document import Document, Mark, Problem, Scalar, shown
from regbot.config.fields import Surroundings
from regbot.config.schema import Creds, DefaultsModel, File, GuardModel, ScriptModel
from regbot.config.values import Config, Defaults, Script
from regbot.http.hosts import DEFAULT_CONCURRENCY, ClientSettings, HostSettings, Login
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.oci.reference import DOCKER_HUB, DOCKER_HUB_NAMES
from regbot.plan.guard import Guard

_TEMPLATES = {
    "user": "user",
    "pass": "password",
    "token": "token",
    "regcert": "regcert",
    "clientCert": "client_cert",
    "clientKey": "client_key",
}


_JOURNAL_KEEP = 30 * 86400.0


def build(document: Document, file: File, around: Surroundings) -> Config:
    """The Config of a valid file."""
    warnings: list[Problem] = []
    defaults = _defaults(file.defaults, around.base)
    hosts = _hosts(document, file.creds, warnings)
    scripts = tuple(
        _script(document, number, script, defaults) for number, script in enumerate(file.scripts)
    )
    if not scripts:
        what = "there are no scripts, so nothing will run (add some under scripts)"
        warnings.append(Problem(Mark(1, 1), what))
    client = ClientSettings(
        hosts=hosts,
        user_agent=defaults.user_agent,
        blob_limit=defaults.blob_limit,
        use_docker_config=not defaults.skip_docker_config,
        environment=dict(around.environ),
    )
    lines = tuple(document.line(warning) for warning in sorted(set(warnings)))
    return Config(client, defaults, scripts, lines)


def _defaults(model: DefaultsModel, base: Path) -> Defaults:
    return Defaults(
        parallel=model.parallel,
        interval=model.interval,
        schedule=model.schedule or None,
        timeout=model.timeout,
        skip_docker_config=model.skip_docker_config,
        user_agent=model.user_agent,
        blob_limit=model.blob_limit or DEFAULT_BLOB_LIMIT,
        timezone=model.timezone,
        memory=model.memory,
        env=tuple(dict.fromkeys(model.env)),
        lua_path=tuple(model.lua_path) or (base,),
        work_dir=model.work_dir,
        guard=_guard(model.guard),
        state=model.state,
        journal_keep=_JOURNAL_KEEP if model.journal_keep is None else model.journal_keep,
    )


def _guard(model: GuardModel) -> Guard:
    return Guard(
        max_deletes=model.max_deletes,
        max_delete_percent=model.max_delete_percent,
        protect=tuple(model.protect),
        min_age=model.min_age,
        keep_at_least=model.keep_at_least,
    )


def _hosts(
    document: Document, entries: list[Creds], warnings: list[Problem]
) -> tuple[HostSettings, ...]:
    """One host for each registry; of several entries, later fields take precedence."""
    merged: dict[str, Creds] = {}
    lines: dict[str, int] = {}
    for number, creds in enumerate(entries):
        name = creds.registry
        mark, _ = document.find(("creds", number, "registry"))
        warnings += _entry_warnings(document, number, creds)
        earlier = merged.get(name)
        if earlier is not None:
            what = f"registry {shown(name)} has an entry at line {lines[name]} already; this one"
            warnings.append(Problem(mark, f"{what} takes precedence (merge the two entries)"))
            fields = {field: getattr(creds, field) for field in creds.model_fields_set}
            creds = earlier.model_copy(update=fields)
        merged[name] = creds
        lines.setdefault(name, mark.line)
    return tuple(_host(creds) for creds in merged.values())


def _entry_warnings(document: Document, number: int, creds: Creds) -> list[Problem]:
    warnings = []
    if creds.scheme:
        mark = document.key(("creds", number, "scheme"))
        word = "disabled" if creds.scheme == "http" else "enabled"
        warnings.append(Problem(mark, f"scheme is deprecated (write tls: {word} instead)"))
    for key, field in _TEMPLATES.items():
        mark, node = document.find(("creds", number, key))
        if isinstance(node, Scalar) and "{{" in node.text and not getattr(creds, field):
            what = f"{key}: the template's result is empty (is the variable or the file empty?)"
            warnings.append(Problem(mark, what))
    return warnings


def _host(creds: Creds) -> HostSettings:
    is_hub = creds.registry == DOCKER_HUB and creds.hostname.lower() in DOCKER_HUB_NAMES
    return HostSettings(
        name=creds.registry,
        hostname="" if is_hub else creds.hostname,
        login=Login(
            user=creds.user,
            password=creds.password,
            identity_token=creds.token,
            helper=creds.cred_helper,
            helper_key=creds.cred_host,
            helper_expires=creds.cred_expire,
        ),
        tls=creds.tls or ("disabled" if creds.scheme == "http" else None),
        ca_certificate=creds.regcert,
        client_certificate=creds.client_cert,
        client_key=creds.client_key,
        path_prefix=creds.path_prefix.strip("/"),
        mirrors=tuple(dict.fromkeys(creds.mirrors)),
        priority=creds.priority,
        repo_auth=creds.repo_auth,
        blob_chunk=creds.blob_chunk or None,
        blob_max=creds.blob_max or None,
        requests_per_second=creds.req_per_sec,
        concurrency=creds.req_concurrent or DEFAULT_CONCURRENCY,
        disable_head=creds.api_opts.disable_head,
    )


def _script(document: Document, number: int, model: ScriptModel, defaults: Defaults) -> Script:
    schedule, interval = model.schedule or None, model.interval
    if schedule is None and interval is None:
        schedule, interval = defaults.schedule, defaults.interval
    _, inline = document.find(("scripts", number, "script"))
    file = model.file
    return Script(
        name=model.name,
        text=file.content if file else model.script.encode(),
        chunk_name=file.name if file else model.name,
        line=inline.first_line if isinstance(inline, Scalar) and not file else 1,
        schedule=schedule,
        interval=None if schedule else interval,
        timeout=defaults.timeout if model.timeout is None else model.timeout,
        args=model.args,
        enabled=model.enabled,
        env=tuple(dict.fromkeys((*defaults.env, *model.env))),
        memory=defaults.memory,
        lua_path=defaults.lua_path,
        work_dir=defaults.work_dir,
        timezone=defaults.timezone,
        guard=_guard(model.guard).over(defaults.guard),
        place=document.where(document.find(("scripts", number, "name"))[0]),
    )
