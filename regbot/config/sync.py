"""``sync``: copies that are kept up, in the words of regsync; each entry becomes a Sync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regbot.config.document import MappingNode
from regbot.config.fields import (
    clean_text_of,
    count_of,
    duration_of,
    flag_of,
    name_of,
)
from regbot.config.filefields import rendered
from regbot.config.section import Key, Listing, RequiredKey, Section, Table, Value
from regbot.config.syncfields import (
    backup_of,
    expression_of,
    hooks_of,
    kind_of,
    platform_of,
    range_of,
)
from regbot.config.syncplaces import place_of_backup, repositories_of, source_of, target_of
from regbot.config.values import Repositories
from regbot.errors import InvalidValue
from regbot.image.options import CopyOptions, ReferrerFilter
from regbot.oci.reference import Reference
from regbot.sync.rules import RateLimit, Sync, TagRules

_LEAST_RETRY = 300.0
"""Seconds below which a ``retry`` counts as so many, as for regsync."""


class TagRulesSection(Section):
    """Which tags of a repository; fields of TagRules."""

    called = "tags"

    allow = Key(
        Listing(expression_of),
        "Regular expressions, one of which has to fit the whole tag. Default: every tag.",
    )
    deny = Key(Listing(expression_of), "Regular expressions of tags to leave out.")
    ranges = Key(
        Listing(range_of),
        "Ranges of versions such as `>=1.2 <2`, one of which the tag has to be in.",
        alias="semverRange",
    )

    @classmethod
    def rules(cls, value: Value) -> TagRules:
        """The rules of a mapping."""
        return TagRules(**cls.read(value).values)


class RepositoryRulesSection(Section):
    """Which repositories of a registry; fields of Repositories."""

    called = "repos"

    match = Key(
        Listing(expression_of),
        "Regular expressions, one of which has to fit the whole name. Default: every one.",
        alias="allow",
    )
    but = Key(
        Listing(expression_of), "Regular expressions of repositories to leave out.", alias="deny"
    )


class ReferrerFilterSection(Section):
    """Which referrers to copy; fields of ReferrerFilter."""

    called = "a filter of referrers"

    artifact_type = Key(clean_text_of, "The artifact type.")
    annotations = Key(
        Table(clean_text_of), "Annotations. One without a value only has to be there."
    )

    @classmethod
    def filter(cls, value: Value) -> ReferrerFilter:
        """The filter of a mapping."""
        section = cls.read(value)
        annotations = tuple((section.annotations or {}).items())
        return ReferrerFilter(section.artifact_type or "", annotations)


class RateLimitSection(Section):
    """How many pulls have to be left; fields of RateLimit."""

    called = "ratelimit"

    least = Key(
        count_of,
        "How many pulls the source's registry has to have left before a copy begins.",
        alias="min",
    )
    retry = Key(duration_of, "How long to wait until it is asked again, at least 5m.", default="5m")

    @classmethod
    def limit(cls, value: Value) -> RateLimit:
        """The limit of a mapping."""
        section = cls.read(value)
        return RateLimit(section.least or 0, max(section.retry or 0.0, _LEAST_RETRY))


class SyncOptions(Section):
    """How images are copied, of all entries or of one; fields of Sync and CopyOptions."""

    backup = Key(
        backup_of,
        "A template such as `old-{{.Ref.Tag}}`: before a tag of the target moves, what it is on"
        " is copied to this tag beside it, or to this reference. If that fails, the tag doesn't"
        " move.",
    )
    rate_limit = Key(
        RateLimitSection.limit,
        "How many pulls have to be left at the source's registry.",
        alias="ratelimit",
    )
    digest_tags = Key(
        flag_of,
        "Also copy tags named after the digest, such as cosign's signatures.",
        default=False,
    )
    referrers = Key(flag_of, "Also copy the referrers of each image.", default=False)
    referrer_filters = Key(
        Listing(ReferrerFilterSection.filter), "Copy only referrers that one of these fits."
    )
    referrer_slow = Key(flag_of, "Read for regsync's sake, and not needed here.", default=False)
    fast_check = Key(
        flag_of,
        "Leave an image alone if the target's tag is on its digest, whatever the other options"
        " say.",
        default=False,
    )
    force_recursive = Key(
        flag_of, "Look at all content of each image, though the target has it.", default=False
    )
    include_external = Key(flag_of, "Also copy layers that are stored elsewhere.", default=False)
    hooks = Key(hooks_of, "Read for regsync's sake: it doesn't run them, and neither does regbot.")
    media_types = Key(
        Listing(clean_text_of),
        "The types of manifests that are copied. Default: images and indexes of OCI and of docker.",
    )


class SyncEntry(SyncOptions):
    """One entry: what is copied where."""

    called = "a sync entry"

    name = Key(name_of, "A unique name. Default: `SOURCE to TARGET`.")
    source = RequiredKey(
        rendered, "The image, repository or registry to copy from; a template may give it."
    )
    target = RequiredKey(
        rendered,
        "Where to copy it. For a registry, the names of its repositories are put after this.",
    )
    kind = RequiredKey(
        kind_of,
        "`image` copies one tag, `repository` the tags of a repository, and `registry` those of"
        " all repositories of a registry.",
        alias="type",
    )
    tags = Key(TagRulesSection.rules, "Which tags to copy. Default: all.")
    tag_sets = Key(
        Listing(TagRulesSection.rules),
        "More sets of tags, each by its own rules; what one of the sets takes is copied.",
    )
    repos = Key(RepositoryRulesSection.read, "Which repositories of a registry. Default: all.")
    platform = Key(
        platform_of,
        "Copy of an index only the image of this platform, as an image by itself.",
    )
    platforms = Key(
        Listing(platform_of),
        "Copy the index, but of its images only those of these platforms.",
    )
    cleanup = Key(
        flag_of,
        "Delete tags of the target that the rules don't take or that the source doesn't have"
        " any more. Nothing is deleted where the source has no tag to copy, or where a copy"
        " failed.",
        default=False,
    )

    is_sound = True
    """Whether nothing is wrong with the entry by itself."""

    def check(self, value: Value) -> None:
        """Note what is wrong with the names, and what does not go with the type."""
        if not isinstance(value.node, MappingNode):
            return
        for key, parse in (("source", source_of), ("target", target_of)):
            if {key, "kind"} <= self.values.keys():
                try:
                    parse(self.kind, self.values[key])
                except InvalidValue as error:
                    value.note(value.node.entries[key].value.mark, f"{key}: {error}")
        for alias, kinds in _OF_KINDS.items():
            entry = value.node.entries.get(alias)
            if entry is not None and self.values.get("kind", kinds[0]) not in kinds:
                text = f"{alias} goes with type {' and '.join(kinds)} (remove it)"
                value.note(entry.key_mark, text)
        backup = value.node.entries.get("backup")
        if backup and self.values.get("kind") == "registry" and self._has_one_backup(value):
            text = "all repositories would have one backup (write {{.Ref.Repository}} in it)"
            value.note(backup.value.mark, f"backup: {text}")

    def _has_one_backup(self, value: Value) -> bool:
        """Whether images of two repositories would go to one place before they are replaced."""
        template, environment = self.values.get("backup", ""), value.reader.environ
        targets = (Reference.parse(f"example.org/{name}:any.tag") for name in ("app", "web"))
        try:
            first, second = (place_of_backup(template, each, environment) for each in targets)
        except InvalidValue:
            return False
        return first == second

    @property
    def shown(self) -> str:
        """Its name."""
        return self.name or f"{self.source} to {self.target}"

    def repositories(self) -> tuple[Repositories, ...]:
        """The repositories of a registry, which has to be asked for them."""
        patterns = self.repos.values if self.repos else {}
        return repositories_of(self.kind, self.source, **patterns)

    def sync(self, defaults: Mapping[str, Any]) -> Sync:
        """The entry as a Sync, with the options of ``defaults`` where it sets none."""
        values = {**defaults, **self.values}
        sets = (*values.get("tag_sets", ()), *((values["tags"],) if "tags" in values else ()))
        limit = values.get("rate_limit", RateLimit())
        if not limit.least and "rate_limit" in defaults:
            limit = RateLimit(defaults["rate_limit"].least, limit.retry)
        options = CopyOptions(
            tuple(values.get("platforms", ())),
            **{
                name: values[name]
                for name in (
                    "digest_tags",
                    "referrers",
                    "referrer_filters",
                    "force_recursive",
                    "include_external",
                    "fast_check",
                )
                if name in values
            },
        )
        others: dict[str, Any] = {
            name: values[name] for name in ("platform", "backup", "cleanup") if name in values
        }
        if values.get("media_types"):
            others["media_types"] = frozenset(values["media_types"])
        source = source_of(self.kind, self.source)
        return Sync(source, self.target, sets, options=options, rate_limit=limit, **others)


_OF_KINDS = {
    "tags": ("repository", "registry"),
    "tagSets": ("repository", "registry"),
    "repos": ("registry",),
    "cleanup": ("repository", "registry"),
}
"""Keys that go with some types alone."""
