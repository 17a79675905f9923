"""Every error regbot raises on purpose, as one tree.

RegbotError
├── UsageError            a wrong call of the command; exit code 2
│   └── ConfigError       all that is wrong with a config, one line a problem
├── InvalidValue          text that does not parse: a reference, digest, duration, ...
├── ScriptError           a script failed; the message carries its name and line
│   ├── ScriptTimeout     it ran longer than its timeout
│   └── ScriptMemory      it wanted more memory than its limit
├── GuardBroken           what is to be deleted is more than may be; nothing was done
├── Stopped               SIGTERM or Ctrl-C asked the run to end
│   └── AttemptEnded      a run, or an attempt at a unit, may change nothing any more
├── CredentialError       credentials can't be had, or a helper failed
├── ProgramFailed         a program that the user named could not be run to its end
├── UseUnknown            what is in use can't be known, so nothing may be deleted
├── ContentError          bytes that are not what their descriptor says
│   ├── DigestMismatch
│   ├── SizeMismatch
│   └── Malformed         not JSON, not a manifest, HTML from a captive portal, ...
├── StorageError          a file of a layout folder can't be read or written
│   └── DatabaseAway      the database of the state can't be reached at the moment
├── NotRestored           a tag could not be given back what had been taken from it
├── NotConfirmed          a delete was accepted, but whether it was done could not be seen
├── InternalError         regbot itself broke: a defect
├── Conflict              what was asked for can't be done as things are: a plan has lapsed, ...
├── NotFound              no such repository, tag, manifest or blob
├── NotSupported          the store does not offer this call, or has it switched off
└── RequestError          an exchange with a registry failed: method and redacted URL
    ├── ConnectionFailed  no whole answer: name, connection, TLS, time-out, broken off
    └── RegistryError     an answer with an error status and OCI error codes
        ├── Unauthorized        401
        ├── Forbidden           403
        ├── RegistryNotFound    404, also a NotFound
        ├── RegistryUnsupported 405 or code UNSUPPORTED, also a NotSupported
        ├── Protected           the registry keeps a tag or manifest by a rule of its own
        ├── TooManyRequests     429
        └── ServerFault         5xx

The text of every error is one line that says what failed and why, for the
person who reads the log; it never holds a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from regbot.redaction import redacted

if TYPE_CHECKING:
    from pathlib import Path


class RegbotError(Exception):
    """The base class of all errors that regbot raises on purpose."""


class UsageError(RegbotError):
    """The command was called in a way that can't work."""


class ConfigError(UsageError):
    """All mistakes in a config.

    ``problems`` are lines of the form ``file:line:column: what (what to do)``. ``files`` are
    those that the config names, as far as it could be read.
    """

    def __init__(self, problems: Iterable[str], files: Iterable[Path] = ()) -> None:
        self.problems = tuple(problems)
        self.files = tuple(files)
        super().__init__("\n".join(self.problems))


class InvalidValue(RegbotError):
    """A text is not a valid value."""


class ScriptError(RegbotError):
    """A Lua script failed."""


class ScriptTimeout(ScriptError):
    """A script ran longer than its timeout."""


class ScriptMemory(ScriptError):
    """A script used more memory than its limit."""


class GuardBroken(RegbotError):
    """What is to be deleted breaks the script's guard, or is all that a repository has."""


class Stopped(RegbotError):
    """The process was asked to stop."""


class AttemptEnded(Stopped):
    """A run or an attempt at a unit has ended: its lease is over, or a newer attempt runs."""


class CredentialError(RegbotError):
    """Credentials are not available: a helper failed, or Docker's config is broken."""


class ProgramFailed(RegbotError):
    """A program could not be run, took too long, or printed too much."""


class UseUnknown(RegbotError):
    """A source of images in use can't be read, so nothing may be deleted."""


class ContentError(RegbotError):
    """Content doesn't match its descriptor, or can't be understood."""


class DigestMismatch(ContentError):
    """The content has another digest than expected."""


class SizeMismatch(ContentError):
    """The content has another size than expected."""


class Malformed(ContentError):
    """The content is not valid JSON, or not the expected manifest or index."""


class StorageError(RegbotError):
    """A file can't be read or written."""


class DatabaseAway(StorageError):
    """The database that has the state can't be reached; it may come back."""


class StateInUse(StorageError):
    """Another server works with the same folder of state."""


class NotRestored(RegbotError):
    """A tag was left on a placeholder, which the text names."""


class NotConfirmed(RegbotError):
    """A registry accepted a delete, but whether it was carried out could not be seen."""


class InternalError(RegbotError):
    """Something in regbot broke, as ``reason`` tells: a defect of regbot itself."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(f"internal error: {type(reason).__name__}: {reason}")


def text_of(error: Exception) -> str:
    """What is said of an error, also of one that is a defect of regbot."""
    return str(error if isinstance(error, RegbotError) else InternalError(error))


class Conflict(RegbotError):
    """What was asked for can't be done as things are, such as a plan that was applied."""


class NotFound(RegbotError):
    """There is no such repository, tag, manifest or blob."""


class NotSupported(RegbotError):
    """The store does not support this call, or it is disabled."""


class RequestError(RegbotError):
    """An exchange with a registry failed.

    ``method`` is the HTTP method, ``url`` any URL: the error keeps it without query and
    user part.
    """

    def __init__(self, why: str, *, method: str, url: str) -> None:
        self.method = method
        self.url = redacted(url)
        self.why = why
        super().__init__(f"{method} {self.url}: {why}")


class ConnectionFailed(RequestError):
    """No complete response was received.

    ``retry``: trying again may help. ``reached``: the host was there, as far as one can tell.
    """

    def __init__(
        self, why: str, *, method: str, url: str, retry: bool = True, reached: bool = True
    ) -> None:
        self.retry = retry
        self.reached = reached
        super().__init__(why, method=method, url=url)


class RegistryError(RequestError):
    """The registry answered with an error.

    ``codes`` are the OCI error codes of the body, upper case, in order
    (distribution spec, "Error Codes"); empty when the body had none.
    """

    def __init__(
        self, why: str, *, method: str, url: str, status: int, codes: tuple[str, ...] = ()
    ) -> None:
        self.status = status
        self.codes = codes
        super().__init__(why, method=method, url=url)

    def with_advice(self, advice: str) -> RegistryError:
        """The same error, with what regbot has to say beside the registry."""
        return type(self)(
            f"{self.why}; {advice}",
            method=self.method,
            url=self.url,
            status=self.status,
            codes=self.codes,
        )


class Unauthorized(RegistryError):
    """401: credentials are missing or were refused."""


class Forbidden(RegistryError):
    """403: the credentials were accepted, but lack the permission."""


class RegistryNotFound(RegistryError, NotFound):
    """404."""


class RegistryUnsupported(RegistryError, NotSupported):
    """405, or an answer with the code UNSUPPORTED."""


class Protected(RegistryError):
    """The registry protects this tag or manifest by a rule of its own."""


class TooManyRequests(RegistryError):
    """429, after the retries that pacing allows."""


class ServerFault(RegistryError):
    """5xx, after the retries that pacing allows."""


_PROTECTED_BY_CODE = frozenset({"PROTECTED_TAG", "IMMUTABLE_TAG", "PROTECTED_MANIFEST"})
"""GitLab's codes, which it sends with 401."""


def is_protected(method: str, status: int, codes: Collection[str]) -> bool:
    """Whether a response means that a rule of the registry protects a tag or manifest.

    GitLab answers 401 with codes of its own, Harbor 412 PRECONDITION, Quay 409.
    """
    if not _PROTECTED_BY_CODE.isdisjoint(codes):
        return True
    if status == 412:
        return "PRECONDITION" in codes
    return status == 409 and method in ("DELETE", "PUT")


def registry_error(
    why: str, *, method: str, url: str, status: int, codes: tuple[str, ...] = ()
) -> RegistryError:
    """The error for a response's status and codes."""
    kind: type[RegistryError] = RegistryError
    if is_protected(method, status, codes):
        kind = Protected
        why += "; a rule of the registry protects this"
    elif status == 405 or "UNSUPPORTED" in codes:
        kind = RegistryUnsupported
    elif status >= 500:
        kind = ServerFault
    else:
        kind = {
            401: Unauthorized,
            403: Forbidden,
            404: RegistryNotFound,
            429: TooManyRequests,
        }.get(status, RegistryError)
    return kind(why, method=method, url=url, status=status, codes=codes)
