"""regbot from Python: what scripts can do, as a small typed library.

    from regbot import Client

    with Client(config="regbot.yml", dry_run=True) as client:
        for tag in client.tags("registry.example.org/team/app"):
            print(tag, client.head(f"registry.example.org/team/app:{tag}").digest)

Every method takes references as text or as a Reference. What can't be done raises an
error of ``regbot.errors``, an argument of the wrong type TypeError.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from regbot.arguments import (
    Named,
    config_of,
    digest_of,
    expect,
    reference_of,
    tagged,
    turns_of_process,
)
from regbot.errors import GuardBroken, InvalidValue, NotFound, UsageError
from regbot.events import Emit, Message, ignore, plain
from regbot.http.hosts import HostSettings
from regbot.image.facts import created, image_size
from regbot.image.options import CopyOptions
from regbot.image.resolve import image_of
from regbot.journal.restore import Undone
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference, parse_registry
from regbot.oci.tag import Tag
from regbot.plan.action import Action, CopyImage, DeleteManifest, DeleteTag, PutBlob, PutManifest
from regbot.plan.carrying import Planned
from regbot.plan.guard import Guard
from regbot.plan.judgement import judge_plan
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.planfile import Plan
from regbot.plan.session import Session
from regbot.report.model import Report
from regbot.rules.decision import Decisions
from regbot.run.bot import Options, assemble
from regbot.run.piece import session_of
from regbot.store.protocol import ReadStore


class Client:
    """Registries and layout folders, to read and to change.

    Use it in a ``with``, or call ``close``. Threads may share it.
    """

    def __init__(
        self,
        *,
        config: str | Path | None = None,
        hosts: Iterable[HostSettings] = (),
        docker_config: bool = True,
        dry_run: bool = False,
        guard: Guard | None = None,
        journal: str | Path | bool = True,
        evidence: bool = False,
        timeout: float | None = None,
        emit: Emit = ignore,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Nothing is asked of a registry yet.

        ``config`` is a YAML file whose ``creds`` and ``defaults`` count; its scripts are
        not run. ``hosts`` are added to it, and win, and so does each rule of ``guard``.
        ``docker_config`` False leaves docker's files alone. ``dry_run`` records changes and
        shows them to later reads, and makes none. What deletes take away is saved in the
        config's journal, in ``journal`` if that is a folder, nowhere if it is False.
        ``evidence``: what is deleted is read before, for reports; a dry run always does so.
        ``timeout`` is in seconds and for all calls together. ``emit`` hears what happens.
        Raises ConfigError, and StorageError where a database as state can't be reached.
        """
        path = "" if config is None else str(expect("config", config, str, Path))
        folder = expect("journal", journal, bool, str, Path)
        self._config = config_of(path, hosts, guard, environment, docker_config=docker_config)
        for warning in self._config.warnings:
            emit(Message("warn", warning))
        self._dry_run = dry_run
        self._keeps_journal = folder is not False
        options = Options(
            dry_run=dry_run,
            evidence=evidence or dry_run,
            timeout=timeout,
            journal=folder if isinstance(folder, bool) else Path(folder),
            environment=environment,
            turns=turns_of_process(),
        )
        absolute = str(Path(path).absolute()) if path and path != "-" else path
        with ExitStack() as ending:
            self._bot = ending.enter_context(assemble(self._config, options, absolute, plain(emit)))
            run = ending.enter_context(self._bot.recording("library"))
            self._services = run.services
            services = replace(self._services, overlay=None)
            self._opened = ending.enter_context(
                session_of(self._config.defaults, services, run.stop)
            )
            self._ending = ending.pop_all()
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed = True
        self._ending.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        config = f"config={self._bot.config_path!r}" if self._bot.config_path else "no config"
        run = "dry run" if self._dry_run else f"run {self.run_id}" if self.run_id else "no change"
        return f"<Client {config}, {run}, {len(self.outcomes)} outcomes>"

    def close(self) -> None:
        """End the run: clean up layout folders that were changed, and let go of connections."""
        self._is_closed = True
        self._ending.close()

    def stop(self) -> None:
        """End what runs, from another thread: its calls raise Stopped."""
        self._bot.stop.ask()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every change so far, in order."""
        return self._bot.outcomes

    @property
    def run_id(self) -> str:
        """The id of this client's run, for ``undo``; empty while it has changed nothing."""
        return self._services.journal.run_id if self._services.journal else ""

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The names of a registry's repositories, where it lists them."""
        name = parse_registry(expect("registry", registry, str))
        return self._session.stores.repositories(name, limit=limit, last=last)

    def tags(self, repository: Named, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags of a repository, all pages of them unless ``limit`` is given."""
        return self._open(repository)[1].tags(limit=limit, last=last)

    def head(self, reference: Named) -> Head:
        """Media type, digest, size and rate limit of a manifest."""
        image, store = self._open(reference)
        return store.head(image.name)

    def manifest(self, reference: Named, platform: str = "") -> Manifest:
        """A manifest or index as it is; with ``platform``, the image an index has for it."""
        image, store = self._open(reference)
        manifest = store.manifest(image.name)
        return image_of(store, manifest, Platform.parse(platform)) if platform else manifest

    def config(self, reference: Named, platform: str = "") -> ImageConfig:
        """The config of an image; without ``platform``, of the local one."""
        image, store = self._open(reference)
        wanted = Platform.parse(platform) if platform else None
        manifest = image_of(store, store.manifest(image.name), wanted)
        return store.config(manifest, limit=self._services.blob_limit)

    def blob(self, repository: Named, digest: str | Digest) -> Iterator[bytes]:
        """The chunks of a blob. The last step raises unless they fit the digest."""
        return self._open(repository)[1].blob(digest_of(digest))

    def referrers(self, reference: Named, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a manifest by its subject."""
        image, store = self._open(reference)
        digest = image.digest or store.head(image.name).digest
        return store.referrers(digest, artifact_type)

    def created(self, reference: Named) -> datetime | None:
        """When an image was made, in UTC; None when that is not known."""
        image, store = self._open(reference)
        return created(store, image.name, blob_limit=self._services.blob_limit)

    def size(self, reference: Named) -> int:
        """Bytes of the distinct blobs of an image, all platforms of it."""
        image, store = self._open(reference)
        return image_size(store, image.name, stop=self._bot.stop)

    def retention_decide(self, repository: Named, rules: dict[str, Any]) -> Decisions:
        """What retention rules say of each tag of a repository. Nothing is deleted.

        ``rules`` are those under ``retention`` in a config. Raises InvalidValue with every
        mistake in them.
        """
        from regbot.config.tables import policy_of_table
        from regbot.rules.content import StoreContent
        from regbot.rules.deciding import decide

        stop, services = self._bot.stop, self._services
        in_use = services.in_use(self._config.defaults.in_use, stop)
        policy = policy_of_table(expect("rules", rules, dict), in_use=in_use is not None)
        store = self._open(repository)[1]
        content = StoreContent(store, stop, blob_limit=services.blob_limit)
        return decide(content, policy, services.now(), in_use)

    def tag_delete(
        self, reference: Named, *, expected: str | Digest | None = None, reason: str = ""
    ) -> Outcome:
        """Delete one tag and nothing else; ``expected`` is the digest it has to have.

        The outcome is ``skipped`` where the tag has another digest.
        """
        tag = tagged(reference)
        decided = digest_of(expected) if expected else tag.digest
        self._may_delete("tag_delete")
        return self._do(DeleteTag(tag, reason, decided))

    def manifest_delete(self, reference: Named, *, reason: str = "") -> Outcome:
        """Delete a manifest by digest, and with it every tag on it."""
        manifest = reference_of(reference)
        if not manifest.digest:
            raise InvalidValue(f"{manifest} names no digest")
        self._may_delete("manifest_delete")
        return self._do(DeleteManifest(manifest, manifest.digest, reason))

    def image_delete(
        self, reference: Named, *, children: bool = False, referrers: bool = False, reason: str = ""
    ) -> list[Outcome]:
        """Delete a tag, then its manifest unless another tag is on it, and what else is named.

        What is used by something that is kept stays. The outcomes are those of each step.
        """
        tag = tagged(reference)
        self._may_delete("image_delete")
        return self._session.executor.remove(
            tag, children=children, referrers=referrers, reason=reason
        )

    def manifest_put(self, reference: Named, manifest: Manifest, *, reason: str = "") -> Outcome:
        """Store a manifest's exact bytes under a tag or digest."""
        expect("manifest", manifest, Manifest)
        return self._do(PutManifest(reference_of(reference), manifest, reason))

    def blob_put(self, repository: Named, content: bytes, *, reason: str = "") -> Outcome:
        """Store a blob; nothing is sent where the repository has it. The outcome has its digest."""
        digest, where = Digest.of(expect("content", content, bytes)), reference_of(repository)
        blob = PutBlob(where.without_name, digest, len(content), lambda: (content,), reason)
        return self._do(blob)

    def image_copy(
        self,
        source: Named,
        target: Named,
        options: CopyOptions = CopyOptions(),
        *,
        reason: str = "",
    ) -> Outcome:
        """Copy an image with all it consists of; what the target has is not sent."""
        expect("options", options, CopyOptions)
        return self._do(CopyImage(reference_of(source), reference_of(target), options, reason))

    def plan(self) -> Plan:
        """The changes of a dry run so far, to be carried out by ``apply`` of another client.

        Raises GuardBroken where they break the guard, and UsageError without a dry run.
        """
        if not self._dry_run:
            raise UsageError("only a client with dry_run=True makes a plan")
        from regbot.run.planning import plan_of

        plan = plan_of(self._bot, (), self._session.planned)
        self._judge(plan.actions)
        return plan

    def apply(self, plan: Plan) -> tuple[Outcome, ...]:
        """Carry out exactly the actions of a plan, as ``regbot apply`` does.

        What fails is among the outcomes. Raises GuardBroken before anything is done, and
        Stopped or ScriptTimeout when it has to end.
        """
        outcomes = Outcomes(self._services.outcomes)
        actions = expect("plan", plan, Plan).actions
        self._judge(actions)
        door = self._session.executor.keeping(outcomes)
        self._bot.carry_out(actions, door, self._services)
        return outcomes.all

    def _judge(self, actions: Sequence[Planned]) -> None:
        judge_plan(
            actions,
            lambda name: self._bot.script(name).guard,
            self._session.executor.repository_of,
            self._session.tags_of,
            self._services.now(),
        )

    def report(self, *files: str | Path) -> Report:
        """What was changed and kept so far, also written to files by their suffix.

        Raises UsageError for a suffix that is no format's, and StorageError.
        """
        from regbot.report.files import check_suffix, write_reports

        paths = [Path(file) for file in files]
        for path in paths:
            check_suffix(path)
        report = self._bot.report("library", (), self._session.planned)
        write_reports(report, paths)
        return report

    def undo(self, run_id: str, *, tags: Sequence[str] = ()) -> list[Undone]:
        """Put back what a run deleted, or of that ``tags`` alone; a run of its own.

        A beginning of the id will do. Raises NotFound for a run or tag that is not in the
        journal, InvalidValue for a beginning that fits several, UsageError
        for a client with journal=False, and StorageError.
        """
        from regbot.journal.opening import has_state, open_journal

        expect("run_id", run_id, str)
        expect("tags", tags, list, tuple)
        self._require_open()
        if not self._keeps_journal:
            raise UsageError("a client with journal=False has no journal to undo a run from")
        state = self._bot.state
        if not has_state(state):
            raise NotFound(f"there is no run {run_id!r}, since there is no journal in {state}")
        with open_journal(state) as journal:
            return self._bot.undo(journal, run_id, tags)

    @property
    def _session(self) -> Session:
        self._require_open()
        return self._opened

    def _require_open(self) -> None:
        """Raise UsageError where the run has ended: nothing more would be on its record."""
        if self._is_closed:
            raise UsageError("this client is closed; make another one")

    def _may_delete(self, method: str) -> None:
        """Raise GuardBroken where a guard can't judge, since deletes are made one by one."""
        if not self._dry_run and self._config.defaults.guard.judges_runs:
            raise GuardBroken(
                f"{method}: the guard judges all deletes together, and this client makes each at"
                " once; nothing was deleted (use it with dry_run=True, and apply the plan)"
            )

    def _do(self, action: Action) -> Outcome:
        return self._session.executor.execute(action)

    def _open(self, named: Named) -> tuple[Reference, ReadStore]:
        reference = reference_of(named)
        return reference, self._session.stores.open(reference)
