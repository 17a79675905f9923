"""The schema of the YAML file: one model for each kind of mapping.

A key is the field's name in camel case. An empty value means that the key is not set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from regbot.config.document import Scalar
from regbot.config.fields import (
    Arguments,
    Count,
    Cron,
    Duration,
    Flag,
    Header,
    Memory,
    ModuleFolder,
    Name,
    Rate,
    Size,
    SizeOrNever,
    Source,
    Template,
    Text,
    Timezone,
    Variable,
    Version,
    WorkFolder,
)
from regbot.config.guardfields import OptionalCount, Pattern, Percent, StateFolder
from regbot.config.hostfields import (
    Host,
    Mirror,
    Pem,
    Registry,
    Scheme,
    SecretPem,
    SecretText,
    TlsWord,
)
from regbot.http.hosts import Secret

MIB = 1024 * 1024

Place = tuple[str, ...]
"""The keys that lead to a mapping, without the positions in lists."""


class Model(BaseModel):
    """A mapping. Unknown keys are mistakes; ``x-`` keys are free for the user."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        arbitrary_types_allowed=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty_and_own_keys(cls, data: Any) -> Any:  # noqa: ANN401 - pydantic hands anything in
        if not isinstance(data, dict):
            return data
        known = keys(cls)
        return {
            key: value
            for key, value in data.items()
            if not key.startswith("x-")
            and not (key in known and isinstance(value, Scalar) and value.is_null)
        }


def keys(model: type[BaseModel]) -> list[str]:
    """The keys a model knows, as they are written in the file."""
    return [str(field.alias) for field in model.model_fields.values()]


class ApiOpts(Model):
    """Options for the registry API."""

    disable_head: Flag = False


class Creds(Model):
    """How to connect to a registry and log in."""

    registry: Registry
    hostname: Host = ""
    user: Template = ""
    password: SecretText = Field(default_factory=Secret, alias="pass")
    token: SecretText = Field(default_factory=Secret)
    cred_helper: Text = ""
    cred_expire: Duration = None
    cred_host: Text = ""
    tls: TlsWord = None
    scheme: Scheme = ""
    regcert: Pem = ""
    client_cert: Pem = ""
    client_key: SecretPem = Field(default_factory=Secret)
    path_prefix: Text = ""
    mirrors: list[Mirror] = []
    priority: Count = 0
    repo_auth: Flag = False
    blob_chunk: Size = 0
    blob_max: SizeOrNever = 0
    req_per_sec: Rate = 0.0
    req_concurrent: Count = 0
    api_opts: ApiOpts = ApiOpts()


class GuardModel(Model):
    """Limits on what a script may delete."""

    max_deletes: OptionalCount = None
    max_delete_percent: Percent = None
    protect: list[Pattern] = []
    min_age: Duration = None
    keep_at_least: OptionalCount = None


class DefaultsModel(Model):
    """Settings for all scripts and registries."""

    parallel: Count = 1
    interval: Duration = None
    schedule: Cron = ""
    timeout: Duration = None
    skip_docker_config: Flag = False
    user_agent: Header = ""
    blob_limit: Size = 0
    timezone: Timezone = ""
    memory: Memory = 256 * MIB
    env: list[Variable] = []
    lua_path: list[ModuleFolder] = []
    work_dir: WorkFolder = Path()
    guard: GuardModel = GuardModel()
    state: StateFolder = None
    journal_keep: Duration = None


class ScriptModel(Model):
    """One script and when it runs."""

    name: Name
    script: Text = ""
    file: Source | None = None
    schedule: Cron = ""
    interval: Duration = None
    timeout: Duration = None
    args: Arguments = {}
    enabled: Flag = True
    env: list[Variable] = []
    guard: GuardModel = GuardModel()


class File(Model):
    """The whole file."""

    version: Version = 1
    creds: list[Creds] = []
    defaults: DefaultsModel = DefaultsModel()
    scripts: list[ScriptModel] = []


def sections(model: type[Model] = File, place: Place = ()) -> dict[Place, type[Model]]:
    """Every mapping that a file may hold, by the keys that lead to it; lists add none."""
    found = {place: model}
    for field in model.model_fields.values():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, Model):
                found |= sections(inner, (*place, str(field.alias)))
    return found
