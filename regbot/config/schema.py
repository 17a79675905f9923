"""What the YAML may hold: one class for each kind of mapping.

A key is the field's name in camel case, unless an alias is given. The fields are named
after those of the value they end up in, which has the defaults too; here None is a key
that the file does not set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from regbot.config.document import Mapping, Scalar, Sequence
from regbot.config.fields import (
    CACHE,
    Arguments,
    Count,
    Cron,
    Duration,
    Flag,
    Header,
    InvertedFlag,
    Memory,
    Name,
    Patterns,
    Percent,
    PositiveCount,
    Rate,
    Size,
    SizeOrNothing,
    SizeOrUnlimited,
    Text,
    Timezone,
    Variables,
    Version,
    flag_of,
)
from regbot.config.filefields import ModuleFolders, OwnFolder, Source, Template, WorkFolder
from regbot.config.hostfields import (
    Host,
    Mirrors,
    PathPrefix,
    Pem,
    Registry,
    Scheme,
    SecretPem,
    SecretText,
    TlsMode,
)

Place = tuple[str, ...]
"""The keys that lead to a section, without the positions in lists."""


class Section(BaseModel):
    """A mapping of the file. Unknown keys are mistakes, except the user's own ``x-`` keys."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        arbitrary_types_allowed=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _read_mapping(cls, node: Any) -> Any:  # noqa: ANN401 - pydantic hands anything in
        return read_mapping(cls, node)

    def set_fields(self) -> dict[str, Any]:
        """The fields that the file sets, by name."""
        return {name: value for name, value in self if value is not None}


def read_mapping(section: type[Section], node: object) -> object:
    """The values of a mapping by key; a known key without a value is left out."""
    if not isinstance(node, Mapping):
        return node
    known = keys(section)
    return {
        key: entry.value.items if isinstance(entry.value, Sequence) else entry.value
        for key, entry in node.entries.items()
        if not key.startswith("x-")
        and not (key in known and isinstance(entry.value, Scalar) and entry.value.is_null)
    }


def keys(section: type[Section]) -> list[str]:
    """The keys of a section, as the file writes them."""
    return [str(field.alias) for field in section.model_fields.values()]


class ApiOpts(Section):
    """Switches of single calls of the registry's API; fields of HostSettings."""

    disable_head: Flag | None = None


class Creds(Section):
    """How to reach a registry and log in; fields of HostSettings and its Login."""

    name: Registry = Field(alias="registry")
    hostname: Host = None
    user: Template | None = None
    password: SecretText | None = Field(default=None, alias="pass")
    identity_token: SecretText | None = Field(default=None, alias="token")
    helper: Text | None = Field(default=None, alias="credHelper")
    helper_expires: Duration = Field(default=None, alias="credExpire")
    helper_key: Text | None = Field(default=None, alias="credHost")
    tls: TlsMode = None
    scheme: Scheme | None = None
    ca_certificate: Pem | None = Field(default=None, alias="regcert")
    client_certificate: Pem | None = Field(default=None, alias="clientCert")
    client_key: SecretPem | None = None
    path_prefix: PathPrefix | None = None
    mirrors: Mirrors | None = None
    priority: Count | None = None
    repo_auth: Flag | None = None
    blob_chunk: Size = None
    blob_max: SizeOrUnlimited = None
    requests_per_second: Rate | None = Field(default=None, alias="reqPerSec")
    concurrency: PositiveCount = Field(default=None, alias="reqConcurrent")
    api_opts: ApiOpts | None = None


class GuardSection(Section):
    """Limits on what a script may delete; fields of Guard."""

    max_deletes: Count | None = None
    max_delete_percent: Percent | None = None
    protect: Patterns | None = None
    min_age: Duration = None
    keep_at_least: Count | None = None


class CacheSection(Section):
    """Where content is kept between runs, or ``off``; fields of CacheSettings."""

    folder: OwnFolder | None = Field(default=None, alias="dir")
    size: SizeOrNothing | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_mapping(cls, node: Any) -> Any:  # noqa: ANN401 - pydantic hands anything in
        """The same for a cache that is switched on or off by a word."""
        if isinstance(node, Scalar):
            return {} if flag_of(node, CACHE) else {"size": replace(node, text="0")}
        return read_mapping(cls, node)


class DefaultsSection(Section):
    """What holds for all scripts and registries; fields of Script, ClientSettings, Config."""

    parallel: Count | None = None
    interval: Duration = None
    schedule: Cron = None
    timeout: Duration = None
    use_docker_config: InvertedFlag | None = Field(default=None, alias="skipDockerConfig")
    user_agent: Header | None = None
    blob_limit: Size = None
    timezone: Timezone = None
    memory: Memory | None = None
    env: Variables | None = None
    lua_path: ModuleFolders | None = None
    work_dir: WorkFolder | None = None
    guard: GuardSection | None = None
    state: OwnFolder | None = None
    journal_keep: Duration = None
    readahead: Count | None = None
    cache: CacheSection | None = None


class ScriptSection(Section):
    """One script and when it runs; fields of Script, and where its text comes from."""

    name: Name
    script: Text | None = None
    file: Source | None = None
    schedule: Cron = None
    interval: Duration = None
    timeout: Duration = None
    args: Arguments | None = None
    enabled: Flag | None = None
    env: Variables | None = None
    guard: GuardSection | None = None


class File(Section):
    """The whole file."""

    version: Version = 1
    creds: tuple[Creds, ...] = ()
    defaults: DefaultsSection = DefaultsSection()
    scripts: tuple[ScriptSection, ...] = ()


def sections(section: type[Section] = File, place: Place = ()) -> dict[Place, type[Section]]:
    """Every section that a file may have, by the keys that lead to it."""
    places = {place: section}
    for field in section.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Section):
                places |= sections(part, (*place, str(field.alias)))
    return places
