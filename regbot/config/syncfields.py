"""Single values of a sync entry, as regsync writes them."""

from __future__ import annotations

from regbot.config.document import MappingNode, Mistake
from regbot.config.fields import Expected, clean_text_of, unexpected, word_of
from regbot.config.section import Value
from regbot.config.shapes import ANY_TEXT, shaped, text, words
from regbot.config.template import render
from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.sync.rules import fields_of

_KINDS = ("image", "repository", "registry")
KIND = Expected("image, repository or registry", "write one of the three words")
HOOKS = Expected("a mapping", "remove it: hooks are not run")
_ANY = Reference.parse("example.org/app:any.tag")
"""What a template of a backup is tried with."""


@shaped(text(r"v\d+\.\d+", "latest"))
def expression_of(value: Value) -> Pattern:
    """A regular expression that has to fit a whole name."""
    try:
        return Pattern.parse(f"regex:{clean_text_of(value)}")
    except InvalidValue as error:
        raise Mistake(f"{error} (write one such as v\\d+\\.\\d+)") from None


@shaped(text(">=1.2 <2", "^3.1"))
def range_of(value: Value) -> str:
    """A range of versions."""
    from regbot.oci.versions import require_range

    try:
        return require_range(word_of(value))
    except InvalidValue as error:
        raise Mistake(str(error)) from None


@shaped(words(*_KINDS))
def kind_of(value: Value) -> str:
    """What is copied."""
    word = word_of(value, KIND)
    if word not in _KINDS:
        raise unexpected(word, KIND)
    return word


@shaped(text("linux/amd64", "linux/arm64/v8"))
def platform_of(value: Value) -> Platform:
    """A platform."""
    try:
        return Platform.parse(word_of(value))
    except InvalidValue as error:
        raise Mistake(f"{error} (write one such as linux/amd64)") from None


@shaped(ANY_TEXT)
def backup_of(value: Value) -> str:
    """A template of a tag or reference that is not the target itself."""
    template = clean_text_of(value)
    text = render(template, value.reader.environ, fields=fields_of(_ANY)).strip()
    if text in (str(_ANY), str(_ANY.tag)):
        raise Mistake("it would be the tag itself (write another one, as old-{{.Ref.Tag}})")
    return template


@shaped({"type": "object"})
def hooks_of(value: Value) -> bool:
    """Whether there are hooks."""
    if not isinstance(value.node, MappingNode):
        raise unexpected(value.node, HOOKS)
    return bool(value.node.entries)
