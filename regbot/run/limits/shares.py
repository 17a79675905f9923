"""Who may have how many requests open at a host: a fair share for each process.

Pure: the table of claims is read and written elsewhere, by all processes alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from regbot.values import dataclass

TURN = 1.0
"""Seconds that a process keeps a slot for which others wait, when there are too few for all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one process wants of a host, and has.

    ``age`` is the seconds since it got its first slot, or gave its last one back.
    ``rate`` and ``at_once`` are the limits of its config: requests per second, where 0 is
    no limit, and open requests.
    """

    wanted: int
    granted: int
    age: float
    rate: float
    at_once: int


def smallest_rate(claims: Sequence[Claim]) -> float:
    """The rate that holds for all: the smallest that any config sets, 0 where none does."""
    return min((claim.rate for claim in claims if claim.rate > 0), default=0.0)


def has_too_few(claims: Sequence[Claim]) -> bool:
    """Whether there is not a slot for each that wants one, so that they go round."""
    return sum(claim.wanted > 0 for claim in claims) > min(claim.at_once for claim in claims)


def share_of(claim: Claim, others: Sequence[Claim]) -> int:
    """How many slots a process is to have now: never more than the others leave.

    All get the same, except that nobody gets more than it wants. The smallest
    ``at_once`` of all is what there is. Where that isn't enough for one each, those who
    waited longest are served first, and who had its turn makes room.
    """
    claims = (claim, *others)
    total = min(each.at_once for each in claims)
    is_free = total - sum(other.granted for other in others)
    return max(0, min(_fair(claims, total), is_free))


def _fair(claims: Sequence[Claim], total: int) -> int:
    """The share of the first claim, were nothing granted yet."""
    targets = [0] * len(claims)
    wanting = sorted((i for i, each in enumerate(claims) if each.wanted), key=_served(claims))
    left = total
    while left and wanting:
        each = max(1, left // len(wanting))
        for i in wanting:
            more = min(each, claims[i].wanted - targets[i], left)
            targets[i] += more
            left -= more
        wanting = [i for i in wanting if targets[i] < claims[i].wanted]
    return targets[0]


def _served(claims: Sequence[Claim]) -> Callable[[int], tuple[int, float, int]]:
    """In which order they are served: in their turn, waiting for long, after their turn.

    Of two alike, each takes itself for the first to be served and the first to make room, so
    that they never wait for each other.
    """

    def rank(i: int) -> tuple[int, float, int]:
        claim = claims[i]
        if not claim.granted:
            return 1, -claim.age, i
        return (0, 0.0, i) if claim.age < TURN else (2, claim.age, -i)

    return rank
