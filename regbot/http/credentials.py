"""The credentials of one host: from its settings, or from its helper for a while."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass

from regbot.errors import CredentialError
from regbot.events import Emit, Message
from regbot.http.docker_config import HUB_KEY
from regbot.http.helper import Helper
from regbot.http.hosts import HostSettings, Secret
from regbot.http.pacing import turn
from regbot.oci.reference import DOCKER_HUB
from regbot.stopping import Clock, Stop

HELPER_EXPIRES = 3600.0
FAILED_FOR = 5.0
_RENEWED_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that may log in to a host.

    ``registry_token`` is sent as it is; ``identity_token`` is exchanged for tokens,
    and sent as it is only where there is nobody to exchange it.
    """

    user: str = ""
    password: Secret = Secret()
    identity_token: Secret = Secret()
    registry_token: Secret = Secret()

    def __bool__(self) -> bool:
        return bool(self.password or self.user or self.identity_token or self.registry_token)

    @property
    def basic(self) -> str:
        """The Authorization header of basic authentication (RFC 7617), or empty."""
        if not self.user and not self.password:
            return ""
        return basic(self.user, self.password)

    def secrets(self) -> tuple[str, ...]:
        """The texts that no error may show."""
        held = (self.password, self.identity_token, self.registry_token)
        return tuple(x.reveal() for x in held if x) + ((self.basic[6:],) if self.basic else ())


def basic(user: str, password: Secret) -> str:
    """The Authorization header for a user and password."""
    pair = f"{user}:{password.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"


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
        self._held: Credentials | CredentialError | None = None
        self._asked_at = float("-inf")

    def get(self, stop: Stop) -> Credentials:
        """The credentials; empty ones when there are none.

        Raises CredentialError when the helper fails, again for 5 s without asking it.
        """
        if self._helper is None:
            return self._own()
        with turn(self._lock, stop):
            if self._held is None or self._clock() - self._asked_at >= self._lifetime():
                self._held = self._asked(self._helper, stop)
                self._asked_at = self._clock()
            if isinstance(self._held, CredentialError):
                raise CredentialError(str(self._held))
            return self._held

    def renew(self, refused: Credentials, stop: Stop) -> Credentials | None:
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
        found = self.get(stop)
        return None if found == refused else found

    def _lifetime(self) -> float:
        if isinstance(self._held, CredentialError):
            return FAILED_FOR
        expires = self._settings.cred_expire
        return HELPER_EXPIRES if expires is None else expires

    def _own(self) -> Credentials:
        said = self._settings
        return Credentials(said.user, said.password, said.token, said.registry_token)

    def _asked(self, helper: Helper, stop: Stop) -> Credentials | CredentialError:
        said = self._settings
        key = said.cred_host or (HUB_KEY if said.name == DOCKER_HUB else said.address)
        try:
            answer = helper.ask(key, stop)
            if answer is None and not said.cred_optional:
                raise CredentialError(  # noqa: TRY301
                    f"credential helper {helper.program} has no credentials for {key}"
                )
        except CredentialError as error:
            if not said.cred_optional:
                return error
            fields = {"registry": said.name}
            self._emit(Message("warn", f"{error}; going on without it", fields))
            return self._own()
        if answer is None:
            return self._own()
        return Credentials(answer.user or said.user, answer.password, answer.identity_token)
