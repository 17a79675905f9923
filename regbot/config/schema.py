"""What the YAML may hold: one class for each kind of mapping.

The attributes are named after the fields of the value they end up in, which has the
defaults too. What is said of a key here is shown by editors (``regbot schema``) and in the
reference (docs/config.md, by scripts/docs); its links start in docs/.
"""

from __future__ import annotations

from regbot.config.creds import Creds
from regbot.config.document import Scalar
from regbot.config.fields import (
    CACHE,
    arguments_of,
    clean_text_of,
    count_of,
    duration_of,
    duration_or_nothing_of,
    flag_of,
    header_of,
    inverted_flag_of,
    memory_of,
    misfire_of,
    name_of,
    overlap_of,
    percent_of,
    schedule_of,
    size_of,
    size_or_nothing_of,
    timezone_of,
    variable_of,
    version_of,
)
from regbot.config.filefields import (
    module_folder_of,
    own_folder_of,
    own_state_of,
    script_file_of,
    work_folder_of,
)
from regbot.config.inusefields import InUseSection
from regbot.config.notifyfields import NotifySection
from regbot.config.patternfields import protection_of
from regbot.config.repositories import RepositoriesSection
from regbot.config.retention import RetentionSection
from regbot.config.section import Key, Listing, RequiredKey, Section, Value
from regbot.config.serverfields import ServerSection
from regbot.config.shapes import Shape, any_of, shape_of
from regbot.config.sync import SyncEntry, SyncOptions


class GuardSection(Section):
    """Limits on what a script may delete; fields of Guard."""

    max_deletes = Key(count_of, "The most tags and manifests that one run may delete.")
    max_delete_percent = Key(
        percent_of, "The most that may be deleted of a repository's tags, in percent."
    )
    protect = Key(
        Listing(protection_of, unique=True),
        "Patterns of tags that may not be deleted: globs, or regular expressions after"
        " `regex:`. A pattern has to fit the whole tag, or the whole of `repository:tag` or"
        " `registry/repository:tag`; a glob that can fit none of them is a mistake. If a"
        " protected tag exists, no copy, `manifest.put` or import can put another manifest on it"
        " either.",
    )
    min_age = Key(
        duration_of,
        "Images that are younger may not be deleted, nor may those of unknown age.",
    )
    keep_at_least = Key(
        count_of,
        "How many tags at least have to stay in a repository from which something is deleted.",
    )


class CacheSection(Section):
    """Where content is kept between runs, or ``off``; fields of CacheSettings."""

    folder = Key(
        own_folder_of,
        "The folder in which the folder `regbot-cache` is made. Default: the system's folder for"
        " such data, for example `~/.cache/regbot`.",
        alias="dir",
    )
    size = Key(
        size_or_nothing_of,
        "The maximum size. What was used least recently is removed first.",
        default="1GiB",
    )

    @classmethod
    def read(cls, value: Value) -> CacheSection:
        """The same for a cache that is switched on or off by a word."""
        if isinstance(value.node, Scalar):
            return cls({} if flag_of(value, CACHE) else {"size": 0})
        return super().read(value)

    @classmethod
    def shape(cls) -> Shape:
        """A mapping, or a word."""
        return any_of(super().shape(), {"enum": ("off",)}, shape_of(flag_of))


class DefaultsSection(SyncOptions):
    """What holds for all scripts and registries; fields of Script, ClientSettings, Config."""

    parallel = Key(
        count_of,
        "How many scripts, and how many `repositories` of a script, are worked on at the same"
        " time. `0` and `1`: one after the other. Deletes and puts in the same repository wait"
        " for one another.",
        default=1,
    )
    interval = Key(
        duration_of,
        "The `interval` of scripts that set neither `interval` nor `schedule`.",
    )
    schedule = Key(
        schedule_of, "The `schedule` of scripts that set neither `interval` nor `schedule`."
    )
    jitter = Key(duration_or_nothing_of, "The `jitter` of scripts that set none.", default="0s")
    misfire = Key(misfire_of, "The `misfire` of scripts that set none.", default="once")
    misfire_grace = Key(
        duration_or_nothing_of, "The `misfireGrace` of scripts that set none.", default="1h"
    )
    overlap = Key(overlap_of, "The `overlap` of scripts that set none.", default="skip")
    approve = Key(flag_of, "The `approve` of scripts that set none.", default=False)
    approve_within = Key(
        duration_of, "The `approveWithin` of scripts that set none.", default="24h"
    )
    timeout = Key(duration_of, "The time limit of scripts that set none.")
    use_docker_config = Key(
        inverted_flag_of,
        "`true` ignores Docker's own files.",
        alias="skipDockerConfig",
        default=False,
    )
    user_agent = Key(header_of, "The `User-Agent` header of requests to registries.")
    blob_limit = Key(
        size_of,
        "The maximum size of a manifest or an image config. `0` means the default.",
        default="4MiB",
    )
    timezone = Key(
        timezone_of,
        "The time zone of schedules, such as `Europe/Paris` or `UTC`. Default: the machine's"
        " local time, which is `TZ` if it is set, else `/etc/localtime`.",
    )
    memory = Key(memory_of, "The memory limit of each script.", default="256MiB")
    env = Key(
        Listing(variable_of, unique=True),
        "The environment variables that scripts can read with `os.getenv`.",
    )
    lua_path = Key(
        Listing(module_folder_of, unique=True),
        "The folders in which `require` looks for modules, relative to the folder of the"
        " config. Default: that folder.",
    )
    work_dir = Key(
        work_folder_of,
        "The folder in which scripts can read and write archives and layout folders, relative"
        " to the current folder. Default: the current folder.",
    )
    guard = Key(
        GuardSection.read,
        "Limits on what a script may delete, see [guard](config.md#guard).",
    )
    in_use = Key(
        InUseSection.read,
        "Where images run that must not be deleted, see [images in use](in-use.md).",
    )
    state = Key(
        own_state_of,
        "Where the journal and plans are, see [plans and undo](plans.md): a folder, or"
        " `postgresql://...` for a database that many machines share; a template may give it."
        " Default: the system's folder for such data, for example `~/.local/state/regbot`.",
    )
    journal_keep = Key(
        duration_of, "How long the journal and plans of this config are kept.", default="30d"
    )
    readahead = Key(
        count_of,
        "How many tags are read before a script asks for them, see"
        " [reading ahead](config.md#reading-ahead). `0` turns it off.",
        default=32,
    )
    cache = Key(
        CacheSection.read,
        "Where manifests and image configs are kept between runs, see"
        " [the cache](config.md#the-cache). `off` turns it off.",
    )
    cache_count = Key(count_of, "Read for regsync's sake; `cache` takes its place.")
    cache_time = Key(duration_of, "Read for regsync's sake; `cache` takes its place.")


class RunSection(Section):
    """When something runs, and within which limits; fields of Script."""

    schedule = Key(
        schedule_of,
        "Five fields as in cron, `@hourly`, `@daily`, or `@every 1h30m`."
        " `CRON_TZ=Europe/Paris` in front sets the time zone. If both the day of the month and"
        " the weekday are given, the script runs on days that match at least one.",
    )
    interval = Key(
        duration_of,
        "The script runs again after this time. With a `schedule`, this is ignored.",
    )
    jitter = Key(
        duration_or_nothing_of,
        "Each run begins up to this long after its time, in whole seconds, but before the next"
        " time. The delay is drawn from the script's name and the time, so `regbot schedule`"
        " can show it, and it is the same on every machine.",
    )
    misfire = Key(
        misfire_of,
        "What to do about a run that was missed, because regbot was not running or the machine"
        " was asleep: `once` runs the script once, however many runs were missed, and `skip`"
        " waits for the next time. See [the server](server.md#when-scripts-run).",
    )
    misfire_grace = Key(
        duration_or_nothing_of,
        "A run that was missed by more than this is not made up for.",
    )
    overlap = Key(
        overlap_of,
        "What to do when the script is due while its last run is still going: `skip` leaves the"
        " new run out, and `queue` begins it when the last one has ended. One run waits at"
        " most.",
    )
    approve = Key(
        flag_of,
        "With `true`, `regbot server` makes a plan when the script is due, and changes nothing"
        " until somebody approves the plan, see [approval](server.md#approval). `regbot once`"
        " doesn't wait for approval.",
    )
    approve_within = Key(
        duration_of, "A plan that nobody approved in this time lapses. `0` means the default."
    )
    timeout = Key(duration_of, "The script is ended after this time.")
    enabled = Key(flag_of, "`false` leaves the script out, unless `--only` names it.", default=True)
    guard = Key(
        GuardSection.read,
        "Limits for this script. They replace those in `defaults`, except that `protect`"
        " patterns are combined.",
    )
    in_use = Key(
        InUseSection.read,
        "More sources of [images in use](in-use.md), beside those of `defaults`.",
    )


class ScriptSection(RunSection):
    """One script and when it runs; fields of Script, and where its text comes from."""

    called = "a script"

    name = RequiredKey(name_of, "A unique name.")
    script = Key(
        clean_text_of,
        "The Lua text. One of `script`, `file` and `retention` is required.",
    )
    file = Key(script_file_of, "A Lua file, relative to the folder of the config.")
    retention = Key(RetentionSection.read, "[Retention rules](rules.md) in place of Lua.")
    repositories = Key(
        RepositoriesSection.read_all,
        "The script runs once for each of these repositories, see"
        " [repositories](config.md#repositories).",
    )
    args = Key(arguments_of, "Any values. Lua finds them in the table `args`.")
    env = Key(
        Listing(variable_of, unique=True),
        "More environment variables that the script can read with `os.getenv`.",
    )


class SyncSection(SyncEntry, RunSection):
    """One sync entry and when it runs; fields of Script, of Sync and of CopyOptions."""

    @classmethod
    def read(cls, value: Value) -> SyncSection:
        """Read a mapping, and what has to be checked of it as a whole."""
        problems = value.reader.problems
        count = len(problems)
        section = super().read(value)
        section.check(value)
        section.is_sound = len(problems) == count
        return section


class File(Section):
    """The whole file."""

    version = Key(version_of, "The form of the file, always 1.", default=1)
    creds = Key(Listing(Creds.read), "The registries: how to reach each, and how to log in.")
    defaults = Key(DefaultsSection.read, "What holds for all scripts and registries.")
    scripts = Key(Listing(ScriptSection.read), "The scripts, and when each of them runs.")
    sync = Key(
        Listing(SyncSection.read),
        "Copies to keep up, and when each of them is looked at, see [sync](sync.md).",
    )
    server = Key(
        ServerSection.read,
        "Who may look at the pages of `regbot server --listen`, and who may ask it for"
        " something, see [running a server](server.md).",
    )
    notify = Key(
        Listing(NotifySection.read),
        "Who is told what became of runs, see [notifications](notifications.md).",
    )
