"""Who is told what, as the config has it."""

from __future__ import annotations

from typing import Literal

from regbot.http.hosts import Secret
from regbot.values import dataclass

Occasion = Literal["failure", "recovery", "changes", "approval", "always"]
"""What somebody wants to be told of, in the order in which the docs name it."""

Way = Literal["webhook", "apprise", "ping"]
"""How a receiver is told; each is a key of its entry in the config."""

DEFAULT_OCCASIONS: tuple[Occasion, ...] = ("failure", "recovery")


@dataclass(frozen=True, slots=True)
class Receiver:
    """An entry under ``notify``.

    ``place`` is its ``file:line`` in the config. It is told of ``scripts``, or of all of
    them if there are none; a ping has exactly one. ``secret`` signs what a webhook is sent.
    ``title`` and ``body`` are templates, empty for the default texts.
    """

    way: Way
    url: Secret
    place: str = ""
    when: tuple[Occasion, ...] = DEFAULT_OCCASIONS
    scripts: tuple[str, ...] = ()
    secret: Secret = Secret()
    title: str = ""
    body: str = ""

    def __str__(self) -> str:
        """How messages call it, since its URL may be a secret as a whole."""
        return f"{self.way} of {self.place}" if self.place else self.way
