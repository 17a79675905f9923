"""Reads test files: from their YAML to tests that are ready to run, or all their mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from io import BytesIO
from pathlib import Path

from regbot.config.build import lines_of
from regbot.config.compose import compose
from regbot.config.document import Document, Problem, Scalar, shown
from regbot.config.document import Path as Steps
from regbot.config.load import read_config
from regbot.config.section import FileReader
from regbot.config.values import Config, Script
from regbot.errors import ConfigError, InvalidValue, UsageError
from regbot.oci.reference import Reference
from regbot.plan.guard import Guard
from regbot.testing.building import DEFAULT_NOW, Builder
from regbot.testing.fixture import Repository
from regbot.testing.schema import (
    CaseSection,
    Expectation,
    SetupSection,
    Suite,
)
from regbot.testing.store import Fault
from regbot.values import dataclass

ENDINGS = ("_test.yml", "_test.yaml")
LONGEST = 30.0
"""Seconds that a script has in a test, at most."""

_SOURCES = ("script", "file", "run")


@dataclass(frozen=True, slots=True)
class Case:
    """A test, ready to run. ``number`` is its position in the file.

    ``now`` is in seconds since 1970. ``source`` is the file that holds the script's text.
    """

    path: Path
    number: int
    name: str
    place: str
    script: Script
    source: str
    repositories: tuple[Repository, ...]
    now: float
    expect: Expectation
    in_use: tuple[Reference, ...] = ()
    faults: tuple[Fault, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    has_variants: bool = True


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The test files that are named, and those in the folders that are, in order.

    Raises UsageError where there are none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [each for each in path.rglob("*") if each.name.endswith(ENDINGS)]
            files += sorted(each for each in inside if not _is_hidden(each.relative_to(path)))
        elif path.exists():
            files.append(path)
        else:
            raise UsageError(f"{path}: there is no such file or folder")
    if not files:
        where = ", ".join(str(path) for path in paths)
        raise UsageError(f"{where}: there are no tests (their files are called *{ENDINGS[0]})")
    return list(dict.fromkeys(files))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read_cases(path: Path) -> list[Case]:
    """The tests of a file. Raises ConfigError with all mistakes."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: can't read the file: {error.strerror}"]) from None
    document = compose(data, str(path))
    file_reader = FileReader(document, {}, path.parent, Suite)
    file = file_reader.read(Suite.read)
    if not file or file_reader.problems:
        raise document.error([*document.problems, *file_reader.problems])
    reader = _Reader(path, document, file)
    cases = [reader.case(number, section) for number, section in enumerate(file.tests or ())]
    if not file.tests:
        reader.problem(("tests",), "there are no tests (add some under tests)")
    if document.problems or reader.problems:
        raise document.error([*document.problems, *reader.problems])
    return [case for case in cases if case]


class _Reader:
    """Reads the tests of one file, and collects the mistakes."""

    def __init__(self, path: Path, document: Document, file: Suite) -> None:
        self._path = path
        self._document = document
        self._file = file
        self._configs: dict[str, Config | None] = {}
        self.problems: list[Problem] = []

    def problem(self, steps: Steps, text: str) -> None:
        """Note a mistake at a place of the file."""
        self.problems.append(Problem(self._document.find(steps)[0], text))

    def case(self, number: int, section: CaseSection) -> Case | None:
        """A test; None where it has a mistake."""
        before = len(self.problems)
        place: Steps = ("tests", number)
        now = section.now if section.now is not None else self._file.now
        repositories = tuple(self._repositories(place, section, now))
        script, source = self._script(place, section) or (Script(), "")
        faults = tuple(self._faults(place, section))
        if len(self.problems) > before:
            return None
        file, variants = self._file, section.variants
        return Case(
            path=self._path,
            number=number,
            name=section.name,
            place=self._document.where(self._document.find((*place, "name"))[0]),
            script=script,
            source=source,
            repositories=repositories,
            now=DEFAULT_NOW if now is None else now,
            expect=section.expect or Expectation({}),
            in_use=(*(self._file.in_use or ()), *(section.in_use or ())),
            faults=faults,
            environment=self._environment(section),
            has_variants=(file.variants is not False) if variants is None else variants,
        )

    def _script(self, place: Steps, section: CaseSection) -> tuple[Script, str] | None:
        """The script of a test with the config's defaults, and the file its text is in."""
        setup: SetupSection = section if _has_source(section) or section.config else self._file
        where: Steps = place if setup is section else ()
        named = [key for key in _SOURCES if getattr(setup, key) is not None]
        if len(named) > 1:
            text = f"{named[0]} and {named[1]}: a test runs one script (remove one)"
            self.problem((*where, named[1]), text)
            return None
        config_name = section.config or self._file.config
        config = self._config(section, place, config_name) if config_name else None
        if config_name and config is None:
            return None
        if setup.file or setup.script is not None:
            defaults = config.defaults if config else self._defaults(section)
            script, source = self._own_script(where, setup, replace(defaults, name=section.name))
        elif config:
            steps: Steps = (*where, "run") if setup.run else place
            configured = self._script_of(config, str(config_name), setup.run, steps)
            if configured is None:
                return None
            script, source = configured
        else:
            self.problem(place, "a test needs a script (add script, file, or config and run)")
            return None
        guard = script.guard
        for each in (self._file.guard, section.guard):
            guard = Guard(**each.values).over(guard) if each else guard
        arguments = {**script.args, **(self._file.args or {}), **(section.args or {})}
        timeout = min(script.timeout or LONGEST, LONGEST)
        return replace(script, args=arguments, guard=guard, timeout=timeout), source

    def _environment(self, section: CaseSection) -> dict[str, str]:
        return {**(self._file.environment or {}), **(section.environment or {})}

    def _defaults(self, section: CaseSection) -> Script:
        """The settings of a script that no config has."""
        return Script(lua_path=(self._path.parent,), env=tuple(self._environment(section)))

    def _own_script(
        self, where: Steps, section: SetupSection, defaults: Script
    ) -> tuple[Script, str]:
        """The script that a test file holds or names, and the file its text is in."""
        if section.file:
            text, source = section.file.content, os.path.normpath(section.file.path)
            return replace(defaults, text=text, chunk_name=source, line=1), source
        mark, node = self._document.find((*where, "script"))
        defaults = replace(defaults, place=self._document.where(mark))
        text = (section.script or "").encode()
        lines = lines_of(self._document, node) if isinstance(node, Scalar) else {}
        return replace(defaults, text=text, **lines), str(self._path)

    def _script_of(
        self, config: Config, file: str, wanted: str | None, steps: Steps
    ) -> tuple[Script, str] | None:
        """The script of a config, by its name or the only one, and the file its text is in."""
        scripts = [script for script in config.scripts if wanted in (None, script.name)]
        if len(scripts) != 1:
            names = ", ".join(shown(script.name) for script in config.scripts)
            has = f"no script {shown(wanted)}" if wanted else f"{len(config.scripts)} scripts"
            self.problem(steps, f"run: {file} has {has} (write run: and one of {names})")
            return None
        script, path = scripts[0], self._path.parent / file
        return script, os.path.normpath(script.chunk_name or path)

    def _config(self, section: CaseSection, place: Steps, name: str) -> Config | None:
        if name not in self._configs:
            self._configs[name] = None
            path = str(self._path.parent / name)
            try:
                config = read_config(path, environ={}, stdin=BytesIO(), offline=True)
                self._configs[name] = config
            except ConfigError as error:
                where: Steps = (*place, "config") if section.config else ("config",)
                for problem in error.problems:
                    self.problem(where, f"config: {problem}")
        return self._configs[name]

    def _faults(self, place: Steps, section: CaseSection) -> Iterator[Fault]:
        lists = (((*place, "faults"), section.faults), (("faults",), self._file.faults))
        steps, faults = lists[0] if section.faults else lists[1]
        for number, fault in enumerate(faults or ()):
            if (fault.request is None) == (fault.tag is None):
                self.problem((*steps, number), "a fault needs request or tag (write one of them)")
            yield Fault(fault.status, fault.request, fault.tag or "")

    def _repositories(
        self, place: Steps, section: CaseSection, now: float | None
    ) -> Iterator[Repository]:
        shared, special = self._file.repositories or {}, section.repositories or {}
        places: dict[str, Steps] = {name: ("repositories", name) for name in shared}
        places |= {name: (*place, "repositories", name) for name in special}
        sections = {**shared, **special}
        for name, repository in sections.items():
            reference = self._reference(places[name], name)
            if reference:
                builder = Builder(self.problem, places[name], now)
                yield builder.repository(reference, repository)

    def _reference(self, steps: Steps, name: str) -> Reference | None:
        try:
            reference = Reference.parse(name)
        except InvalidValue as error:
            self.problem(steps, f"{error} (write one such as registry.example.org/team/app)")
            return None
        return reference.without_name


def _has_source(section: SetupSection) -> bool:
    return any(getattr(section, key) is not None for key in _SOURCES)
