"""Compares what a test did with what is expected of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from regbot.oci.patterns import Pattern
from regbot.testing.running import Happened, Named
from regbot.testing.schema import Expectation


def differences(expect: Expectation, happened: Happened) -> list[str]:
    """What is not as expected, a line each."""
    return [
        *_strangers(happened),
        *_message("guard", expect.guard, happened.guard),
        *_message("error", expect.error, happened.error),
        *_deletes(expect, happened),
        *_kept(expect, happened),
        *_copied(expect, happened),
        *_exported(expect, happened),
        *_requests(expect, happened),
    ]


def fits(pattern: Pattern, name: Named) -> bool:
    """Whether a pattern stands for a name.

    It fits the name or, as a glob with a colon, ``repository:name`` or
    ``registry/repository:name``. A glob without a space is for tags alone.
    """
    if " " in name.name and " " not in pattern.text:
        return False
    if ":" not in pattern.text.removeprefix("regex:"):
        return pattern.fits(name.name)
    path = name.repository.partition("/")[2]
    return pattern.fits(str(name)) or pattern.fits(f"{path}:{name.name}")


def _fitting(patterns: Sequence[Pattern], names: Collection[Named]) -> set[Named]:
    return {name for name in names if any(fits(pattern, name) for pattern in patterns)}


def _unfit(key: str, patterns: Sequence[Pattern], names: Collection[Named]) -> Iterator[str]:
    for pattern in patterns:
        if not any(fits(pattern, name) for name in names):
            yield f"{key}: there is nothing called {pattern.text}"


def _strangers(happened: Happened) -> Iterator[str]:
    for name in happened.strangers:
        yield f"{name} was asked for, but is not in the test (add a repository of it)"


def _message(key: str, expected: str | None, text: str) -> Iterator[str]:
    if expected is None and text:
        yield f"{key}: expected none, but got: {text}"
    elif expected is not None and not text:
        yield f"{key}: expected {expected!r}, but there was none"
    elif expected is not None and expected not in text:
        yield f"{key}: expected {expected!r}, but got: {text}"


def _deletes(expect: Expectation, happened: Happened) -> Iterator[str]:
    patterns = expect.deleted or ()
    yield from _unfit("deleted", patterns, happened.before)
    expected = _fitting(patterns, happened.before)
    for name in sorted(happened.deleted - expected):
        yield f"{name}: expected kept, but deleted{_reason(happened, name)}"
    for name in sorted(expected - happened.deleted):
        yield f"{name}: expected deleted, but kept"


def _reason(happened: Happened, name: Named) -> str:
    reason = happened.reasons.get(name, "")
    return f" ({reason})" if reason else ""


def _kept(expect: Expectation, happened: Happened) -> Iterator[str]:
    patterns = expect.kept or ()
    yield from _unfit("kept", patterns, happened.before)
    doomed = _fitting(expect.deleted or (), happened.before)
    for name in sorted(_fitting(patterns, happened.before)):
        if name in happened.deleted & doomed:
            yield f"{name}: expected both deleted and kept"
        elif name in happened.copied:
            yield f"{name}: expected kept, but put on another image"


def _copied(expect: Expectation, happened: Happened) -> Iterator[str]:
    patterns = expect.copied or ()
    for pattern in patterns:
        if not any(fits(pattern, name) for name in happened.copied):
            yield f"{pattern.text}: expected copied, but nothing was put there"
    for name in sorted(happened.copied - _fitting(patterns, happened.copied)):
        yield f"{name}: an image was put there, which is not expected"


def _exported(expect: Expectation, happened: Happened) -> Iterator[str]:
    patterns = expect.exported or ()
    for pattern in patterns:
        if not any(pattern.fits(file) for file in happened.exported):
            yield f"{pattern.text}: expected exported, but not written"
    for file in happened.exported:
        if not any(pattern.fits(file) for pattern in patterns):
            yield f"{file}: an archive was written, which is not expected"


def _requests(expect: Expectation, happened: Happened) -> Iterator[str]:
    if expect.requests is not None and happened.requests > expect.requests:
        yield f"requests: expected at most {expect.requests}, but there were {happened.requests}"
