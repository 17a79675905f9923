"""digest: the hash of what comes in on standard input."""

from __future__ import annotations

import sys

import click

from regbot.cli.output import show_text
from regbot.errors import UsageError

_CHUNK = 1024 * 1024


@click.command()
@click.option(
    "--algorithm",
    type=click.Choice(["sha256", "sha384", "sha512"]),
    default="sha256",
    show_default=True,
    help="How it is worked out.",
)
def digest(algorithm: str) -> None:
    """Print the digest of standard input.

    \b
    regbot digest < app.tar
    """
    import hashlib

    if not sys.stdin:
        raise UsageError("standard input is closed")
    hasher = hashlib.new(algorithm)
    while chunk := sys.stdin.buffer.read(_CHUNK):
        hasher.update(chunk)
    show_text(f"{algorithm}:{hasher.hexdigest()}")
