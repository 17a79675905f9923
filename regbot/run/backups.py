"""Where the images of a sync's target go before they are replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from regbot.config.syncplaces import place_of_backup
from regbot.errors import InvalidValue
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups at one target; an empty ``template`` makes none.

    ``repository_of`` gives a repository by the one of its names to compare by.
    """

    template: str
    target: Reference
    environment: Mapping[str, str]
    repository_of: Callable[[Reference], Reference]

    def of(self, target: Reference) -> Reference:
        """The backup of what is at a tag of the target. Raises InvalidValue."""
        backup = place_of_backup(self.template, target, self.environment)
        if backup.tag == target.tag and self.is_target(backup):
            raise InvalidValue(f"backup: {backup} is {target} itself (write another tag)")
        return backup

    def clashing(
        self, copied: Iterable[Reference], replaced: Iterable[Reference]
    ) -> frozenset[Reference]:
        """Those ``replaced`` whose backups the same run would replace.

        Another backup goes to the same tag, or that is one of the tags to be ``copied``.
        """
        if not self.template:
            return frozenset()
        places = {}
        for target in replaced:
            with suppress(InvalidValue):
                places[target] = self._place(self.of(target))
        uses = Counter([*map(self._place, copied), *places.values()])
        return frozenset(target for target, place in places.items() if uses[place] > 1)

    def _place(self, reference: Reference) -> tuple[Reference, Tag | None]:
        return self.repository_of(reference), reference.tag

    def is_target(self, reference: Reference) -> bool:
        """Whether a reference is in the target's repository, by any of its names."""
        return self.repository_of(reference) == self.repository_of(self.target)

    def beside(self, tags: Iterable[Tag]) -> set[Tag]:
        """The tags of the target that backups of these tags have. Raises InvalidValue."""
        if not self.template:
            return set()
        backups = (self.of(self.target.with_tag(tag)) for tag in tags)
        return {backup.tag for backup in backups if backup.tag and self.is_target(backup)}
