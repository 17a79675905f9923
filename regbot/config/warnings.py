"""What is right in a file, and hardly what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regbot.config.creds import Creds
from regbot.config.document import Document, Mark, Path, Problem, Scalar, shown
from regbot.config.schema import File
from regbot.config.section import Section
from regbot.config.sync import SyncOptions


def warnings_of(document: Document, file: File) -> list[Problem]:
    """The warnings about a valid config, in its order."""
    warnings = warnings_of_creds(document, file.creds or ())
    warnings += _of_hooks(document, file)
    if file.server:
        warnings += _empty_templates(document, ("server",), file.server)
    for number, entry in enumerate(file.notify or ()):
        warnings += _empty_templates(document, ("notify", number), entry)
    return sorted(set(warnings))


def warnings_of_creds(document: Document, entries: Sequence[Creds]) -> list[Problem]:
    """Those about valid entries of ``creds``, in their order."""
    return sorted(set(_of_creds(document, entries)))


def _of_creds(document: Document, entries: Sequence[Creds]) -> Iterator[Problem]:
    first_marks: dict[str, Mark] = {}
    for number, creds in enumerate(entries):
        yield from _of_entry(document, number, creds)
        mark, _ = document.find(("creds", number, "registry"))
        first = first_marks.setdefault(creds.name, mark)
        if first != mark:
            text = (
                f"registry {shown(creds.name)} has an entry at line {first.line} already;"
                " this one takes precedence (merge the two entries)"
            )
            yield Problem(mark, text)


def _of_entry(document: Document, number: int, creds: Creds) -> Iterator[Problem]:
    if creds.scheme:
        mark = document.key(("creds", number, "scheme"))
        word = "disabled" if creds.scheme == "http" else "enabled"
        yield Problem(mark, f"scheme is deprecated (write tls: {word} instead)")
    yield from _empty_templates(document, ("creds", number), creds)


def _of_hooks(document: Document, file: File) -> Iterator[Problem]:
    """A warning for each place that has hooks."""
    places: list[tuple[Path, SyncOptions | None]] = [(("defaults",), file.defaults)]
    places += [(("sync", number), section) for number, section in enumerate(file.sync or ())]
    for path, section in places:
        if section and section.hooks:
            yield Problem(document.key((*path, "hooks")), "hooks are not run (remove them)")


def _empty_templates(document: Document, path: Path, section: Section) -> Iterator[Problem]:
    """A warning for each template in a section that gave nothing."""
    for alias, key in section.keys.items():
        mark, node = document.find((*path, alias))
        if isinstance(node, Scalar) and "{{" in node.text and not section.values.get(key.name):
            text = f"{alias}: the template's result is empty (is the variable or the file empty?)"
            yield Problem(mark, text)
