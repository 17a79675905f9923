"""The login of one host: from its settings, or from its credential helper for a while."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from regbot.errors import CredentialError
from regbot.events import Emit, Message
from regbot.http.helper import Helper
from regbot.http.hosts import HUB_KEY, HostSettings, Login, Origin, Secret
from regbot.http.pacing import turn
from regbot.oci.reference import DOCKER_HUB
from regbot.stopping import Clock, Stop

HELPER_EXPIRES = 3600.0
FAILED_FOR = 5.0
_RENEWED_AFTER = 60.0


def helper_key(settings: HostSettings) -> str:
    """What the helper of a host is asked for."""
    named = settings.login.helper_key
    return named or (HUB_KEY if settings.name == DOCKER_HUB else settings.address)


class Keyring:
    """Gives a host's credentials, and asks its helper again when they are old."""

    def __init__(
        self, settings: HostSettings, *, helper: Helper | None, clock: Clock, emit: Emit
    ) -> None:
        self._settings = settings
        self._helper = helper
        self._clock = clock
        self._emit = emit
        self._lock = threading.Lock()
        self._held: Login | CredentialError | None = None
        self._asked_at = float("-inf")

    @classmethod
    def of(
        cls, settings: HostSettings, *, environ: Mapping[str, str], clock: Clock, emit: Emit
    ) -> Keyring:
        """The one of a host, whose helper runs in an environment."""
        program = settings.login.helper
        helper = Helper(program, environ, clock) if program else None
        return cls(settings, helper=helper, clock=clock, emit=emit)

    def get(self, stop: Stop) -> Login:
        """The credentials; empty ones when there are none.

        Raises CredentialError when the helper fails, again for 5 s without asking it.
        """
        if self._helper is None:
            return self._settings.login
        with turn(self._lock, stop):
            if self._held is None or self._clock() - self._asked_at >= self._lifetime():
                self._held = self._asked(self._helper, stop)
                self._asked_at = self._clock()
            if isinstance(self._held, CredentialError):
                raise CredentialError(str(self._held))
            return self._held

    def renew(self, refused: Login, stop: Stop) -> Login | None:
        """Other credentials after these were refused, or None.

        A password from a helper may have ended before its time.
        """
        with turn(self._lock, stop):
            if self._helper is None:
                return None
            if self._held == refused and self._clock() - self._asked_at < _RENEWED_AFTER:
                return None
            if self._held == refused:
                self._held = None
        login = self.get(stop)
        return None if login == refused else login

    def _lifetime(self) -> float:
        if isinstance(self._held, CredentialError):
            return FAILED_FOR
        expires = self._settings.login.helper_expires
        return HELPER_EXPIRES if expires is None else expires

    def _asked(self, helper: Helper, stop: Stop) -> Login | CredentialError:
        settings, login = self._settings, self._settings.login
        key = helper_key(settings)
        try:
            answer = helper.ask(key, stop)
            if answer is None and not login.helper_optional:
                raise CredentialError(  # noqa: TRY301
                    f"credential helper {helper.program} has no credentials for {key}"
                )
        except CredentialError as error:
            if not login.helper_optional:
                named = f"{settings.name}: {error}; it is named by {login.origin.place}"
                return CredentialError(f"{named} (try it: echo {key} | {helper.program} get)")
            fields = {"registry": settings.name}
            self._emit(Message("warn", f"{error}; continuing without it", fields))
            return login
        if answer is None:
            return login
        return replace(
            login,
            user=answer.user or login.user,
            password=answer.password,
            identity_token=answer.identity_token,
            registry_token=Secret(),
            origin=Origin(f"the credential helper {helper.program}", "store a new login in it"),
        )
