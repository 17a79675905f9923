"""What the YAML may hold: one class for each kind of mapping.

The attributes are named after the fields of the value they end up in, which has the
defaults too.
"""

from __future__ import annotations

from regbot.config.document import Scalar
from regbot.config.fields import (
    CACHE,
    arguments_of,
    clean_text_of,
    count_of,
    duration_of,
    flag_of,
    header_of,
    inverted_flag_of,
    memory_of,
    name_of,
    percent_of,
    positive_count_of,
    rate_of,
    schedule_of,
    size_of,
    size_or_nothing_of,
    size_or_unlimited_of,
    timezone_of,
    variable_of,
    version_of,
)
from regbot.config.filefields import (
    module_folder_of,
    own_folder_of,
    rendered,
    script_file_of,
    work_folder_of,
)
from regbot.config.hostfields import (
    host_of,
    mirror_of,
    path_prefix_of,
    pem_of,
    registry_of,
    scheme_of,
    secret_of,
    secret_pem_of,
    tls_of,
)
from regbot.config.inusefields import InUseSection
from regbot.config.patternfields import protection_of
from regbot.config.repositories import RepositoriesSection
from regbot.config.retention import RetentionSection
from regbot.config.section import Key, Listing, RequiredKey, Section, Value


class ApiOpts(Section):
    """Switches of single calls of the registry's API; fields of HostSettings."""

    disable_head = Key(flag_of)


class Creds(Section):
    """How to reach a registry and log in; fields of HostSettings and its Login."""

    called = "a creds entry"

    name = RequiredKey(registry_of, "registry")
    hostname = Key(host_of)
    user = Key(rendered)
    password = Key(secret_of, "pass")
    identity_token = Key(secret_of, "token")
    helper = Key(clean_text_of, "credHelper")
    helper_expires = Key(duration_of, "credExpire")
    helper_key = Key(clean_text_of, "credHost")
    tls = Key(tls_of)
    scheme = Key(scheme_of)
    ca_certificate = Key(pem_of, "regcert")
    client_certificate = Key(pem_of, "clientCert")
    client_key = Key(secret_pem_of)
    path_prefix = Key(path_prefix_of)
    mirrors = Key(Listing(mirror_of, unique=True))
    priority = Key(count_of)
    repo_auth = Key(flag_of)
    blob_chunk = Key(size_of)
    blob_max = Key(size_or_unlimited_of)
    requests_per_second = Key(rate_of, "reqPerSec")
    concurrency = Key(positive_count_of, "reqConcurrent")
    api_opts = Key(ApiOpts.read)


class GuardSection(Section):
    """Limits on what a script may delete; fields of Guard."""

    max_deletes = Key(count_of)
    max_delete_percent = Key(percent_of)
    protect = Key(Listing(protection_of, unique=True))
    min_age = Key(duration_of)
    keep_at_least = Key(count_of)


class CacheSection(Section):
    """Where content is kept between runs, or ``off``; fields of CacheSettings."""

    folder = Key(own_folder_of, "dir")
    size = Key(size_or_nothing_of)

    @classmethod
    def read(cls, value: Value) -> CacheSection:
        """The same for a cache that is switched on or off by a word."""
        if isinstance(value.node, Scalar):
            return cls({} if flag_of(value, CACHE) else {"size": 0})
        return super().read(value)


class DefaultsSection(Section):
    """What holds for all scripts and registries; fields of Script, ClientSettings, Config."""

    parallel = Key(count_of)
    interval = Key(duration_of)
    schedule = Key(schedule_of)
    timeout = Key(duration_of)
    use_docker_config = Key(inverted_flag_of, "skipDockerConfig")
    user_agent = Key(header_of)
    blob_limit = Key(size_of)
    timezone = Key(timezone_of)
    memory = Key(memory_of)
    env = Key(Listing(variable_of, unique=True))
    lua_path = Key(Listing(module_folder_of, unique=True))
    work_dir = Key(work_folder_of)
    guard = Key(GuardSection.read)
    in_use = Key(InUseSection.read)
    state = Key(own_folder_of)
    journal_keep = Key(duration_of)
    readahead = Key(count_of)
    cache = Key(CacheSection.read)


class ScriptSection(Section):
    """One script and when it runs; fields of Script, and where its text comes from."""

    called = "a script"

    name = RequiredKey(name_of)
    script = Key(clean_text_of)
    file = Key(script_file_of)
    retention = Key(RetentionSection.read)
    repositories = Key(RepositoriesSection.read_all)
    schedule = Key(schedule_of)
    interval = Key(duration_of)
    timeout = Key(duration_of)
    args = Key(arguments_of)
    enabled = Key(flag_of)
    env = Key(Listing(variable_of, unique=True))
    guard = Key(GuardSection.read)
    in_use = Key(InUseSection.read)


class File(Section):
    """The whole file."""

    version = Key(version_of)
    creds = Key(Listing(Creds.read))
    defaults = Key(DefaultsSection.read)
    scripts = Key(Listing(ScriptSection.read))
