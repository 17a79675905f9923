"""What to do about a login that a registry refuses: where it was read, or what it lacks."""

from __future__ import annotations

from regbot.http.exchange import Request
from regbot.http.hosts import HostSettings, Login
from regbot.values import dataclass

_CHANGES = {"DELETE": "delete in", "PUT": "write to", "POST": "write to", "PATCH": "write to"}


@dataclass(frozen=True, slots=True)
class Refusals:
    """The advice on the logins of one registry. None of it shows a secret.

    ``reads_docker``: logins of docker's files count.
    """

    settings: HostSettings
    reads_docker: bool

    def of_login(self, login: Login) -> str:
        """After a login that was refused, or that is missing."""
        if not login:
            return f"no login is known for {self.settings.name} ({self._ways_in})"
        origin = login.origin
        return f"the login of {self.settings.name} is from {origin.place} ({origin.remedy})"

    def of_permission(self, login: Login, request: Request) -> str:
        """After a request that a login does not allow, though it may be a good one."""
        name = self.settings.name
        if not login:
            return f"no login is known for {name}, to {_what(request)} ({self._ways_in})"
        scopes = f" (scope {' '.join(map(str, request.scopes))})" if request.scopes else ""
        return (
            f"the login of {name} is from {login.origin.place}, and may lack the permission to"
            f" {_what(request)}{scopes}"
        )

    @property
    def _ways_in(self) -> str:
        name = self.settings.name
        if not self.reads_docker:
            return f"add creds for {name} to the config"
        return f"add creds for {name} to the config, or run: regbot registry login {name}"


def _what(request: Request) -> str:
    """What a request does, in words; of several repositories it is about the first."""
    scope = next(iter(request.scopes), None)
    if scope is None:
        return "do this"
    if scope.kind != "repository":
        return "list all repositories"
    return f"{_CHANGES.get(request.method, 'read')} {scope.name}"
