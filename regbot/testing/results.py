"""The result of each test, and many of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from regbot.stopping import Stop
from regbot.testing.cases import Case
from regbot.testing.judging import differences
from regbot.testing.running import Happened, run_case
from regbot.testing.variants import worse_variants
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """How a test ended.

    ``differences`` are from what is expected, ``worse`` the variants that delete more;
    each is a line.
    """

    case: Case
    happened: Happened
    differences: tuple[str, ...]
    worse: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.problems

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong, a line each."""
        return (*self.differences, *self.worse)


def run_cases(
    cases: Sequence[Case], stop: Stop, *, at_once: int, covers: bool = False
) -> Iterator[Result]:
    """The results of tests, in their order, as they come. Raises Stopped."""

    def test(case: Case) -> Result:
        happened = run_case(case, stop, covers=covers)
        problems = tuple(differences(case.expect, happened))
        worse = tuple(worse_variants(case, happened, stop)) if case.has_variants else ()
        return Result(case, happened, problems, worse)

    with ThreadPoolExecutor(at_once, "test") as pool:
        try:
            yield from pool.map(test, cases)
        finally:
            pool.shutdown(cancel_futures=True)
