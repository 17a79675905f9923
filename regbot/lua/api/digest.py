"""``digest.of``: the hash of content."""

from __future__ import annotations

from regbot.errors import InvalidValue
from regbot.lua.binding import STRING, TEXT, Binding, LocalContext, Parameter, Passed, plain
from regbot.lua.wire import to_bytes
from regbot.oci.digest import Digest

ALGORITHMS = ("sha256", "sha384", "sha512")


def _of(_context: LocalContext, content: str, algorithm: str) -> Passed:
    if algorithm not in ALGORITHMS:
        raise InvalidValue(f"{algorithm!r} is not one of {', '.join(ALGORITHMS)}")
    return plain(str(Digest.of(to_bytes(content), algorithm)))


BINDINGS = (
    Binding(
        name="digest.of",
        doc="The digest of a string, such as sha256:9f86...",
        parameters=(
            Parameter("content", TEXT, "the content"),
            Parameter(
                "algorithm",
                STRING,
                "sha256 or sha512. Default: sha256",
                optional=True,
                default="sha256",
            ),
        ),
        run=_of,
        local=True,
        result="string",
    ),
)
