"""Runs a script's text the way regbot does, and keeps what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regbot.errors import NotFound, NotSupported, RegbotError
from regbot.events import Event, Message, Printed
from regbot.lua import sandbox
from regbot.lua.api.catalogue import dispatcher, interface
from regbot.lua.api.context import Context
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.oci.reference import Reference
from regbot.plan.apply import Applier
from regbot.plan.executor import Executor, Terms
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.settled import SettledStores
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore
from regbot.store.overlay_stores import OverlayStores
from regbot.store.protocol import ReadStores, Store, Stores

MEMORY = 64 * 1024 * 1024


class Folders:
    """Stores of layout folders alone, one store a folder."""

    def __init__(self) -> None:
        self._open: dict[Reference, OciDirStore] = {}

    def open(self, reference: Reference) -> Store:
        key = reference.without_name
        if key.scheme != "ocidir":
            raise NotFound(f"{key.registry} is not there")
        return self._open.setdefault(key, OciDirStore(key))

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        raise NotSupported(f"{registry} is not there")


@dataclass
class Ran:
    """What a script returned, or why it ended, with its actions and log lines."""

    value: list[Any] = field(default_factory=list)
    error: RegbotError | None = None
    outcomes: tuple[Outcome, ...] = ()
    messages: list[Message] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    @property
    def logged(self) -> list[str]:
        return [message.text for message in self.messages]


def run_script_text(
    source: str | bytes,
    *,
    flavour: str,
    stores: Stores | None = None,
    dry_run: bool = False,
    timeout: float | None = 30.0,
    memory: int = MEMORY,
    arguments: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    env: tuple[str, ...] = (),
    stop: Stop | None = None,
    lua_path: tuple[Path, ...] = (),
    work_dir: Path = Path(),
) -> Ran:
    """Run a script in its own process. What it fails with is in the result."""
    ran = Ran()
    outcomes = Outcomes()
    stop = stop or Stop(timeout=timeout)
    opened = stores or Folders()

    def emit(event: Event) -> None:
        if isinstance(event, Message):
            ran.messages.append(event)
        elif isinstance(event, Printed):
            ran.printed.append(event.text)

    read: ReadStores = OverlayStores(opened) if dry_run else opened
    written = read if isinstance(read, OverlayStores) else opened
    ending = ExitStack()
    applier = Applier(
        written, read, stop, emit, DEFAULT_BLOB_LIMIT, ending, opened, writes_files=not dry_run
    )
    executor = Executor("test", applier, outcomes, emit, Terms(dry_run=dry_run))
    ending.callback(executor.close)
    context = Context(
        script="test",
        stores=read if dry_run else SettledStores(read, executor.settle_before),
        executor=executor,
        emit=emit,
        stop=stop,
        blob_limit=DEFAULT_BLOB_LIMIT,
        lua_path=lua_path,
        work_dir=work_dir,
        env=env,
        environment=environment or {},
    )
    text = source.encode() if isinstance(source, str) else source
    program = sandbox.Program("test", text, memory, flavour)
    visible = interface(arguments or {}, memory=memory, document_limit=DEFAULT_BLOB_LIMIT)
    try:
        with ending:
            ran.value = sandbox.run(program, visible, dispatcher(context), stop)
            executor.settle()
    except RegbotError as error:
        ran.error = error
    ran.outcomes = outcomes.all
    return ran
