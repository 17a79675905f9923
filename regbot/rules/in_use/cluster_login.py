"""Logs in to a cluster with a program that the kubeconfig names.

client-go credential plugins, "Input and output formats": the program prints an
ExecCredential with a token, or with a certificate and its key. lightkube runs such a
program without an end to its time, and shows in errors what it printed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.errors import ProgramFailed, UseUnknown
from regbot.programs import Program
from regbot.stopping import Stop

if TYPE_CHECKING:
    from lightkube.config.models import User, UserExec

TIMEOUT = 60.0


def user_by(
    plugin: UserExec, kubeconfig: Path | None, environ: Mapping[str, str], stop: Stop
) -> User:
    """A user with the credentials that a program prints.

    Raises UseUnknown, which quotes nothing of what it printed.
    """
    command = plugin.command
    if "/" in command and kubeconfig is not None:
        command = str(kubeconfig.parent.absolute() / command)
    asked = {"apiVersion": plugin.apiVersion, "kind": "ExecCredential"}
    variables = {
        **environ,
        **{setting.name: setting.value for setting in plugin.env or ()},
        "KUBERNETES_EXEC_INFO": json.dumps({**asked, "spec": {"interactive": False}}),
    }
    what = f"its login program {plugin.command}"
    try:
        status, output = Program((command, *(plugin.args or ())), variables, TIMEOUT).run(stop)
    except ProgramFailed as error:
        raise UseUnknown(f"{what} {error}") from None
    if status != 0:
        raise UseUnknown(f"{what} failed (exit status {status})")
    return _user(output, what)


def _user(output: bytes, what: str) -> User:
    from lightkube.config.models import User

    try:
        status = json.loads(output)["status"]
        texts = {key: value for key, value in status.items() if isinstance(value, str)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        texts = {}
    certificate, key = (texts.get(name) for name in ("clientCertificateData", "clientKeyData"))
    if texts.get("token"):
        return User(token=texts["token"])
    if certificate and key:
        return User(client_cert_data=_encoded(certificate), client_key_data=_encoded(key))
    raise UseUnknown(f"{what} printed no credentials")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
