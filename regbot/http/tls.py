"""The TLS context of a host: whom it trusts, and the client certificate it shows.

Beside the config, docker's folder counts: ``/etc/docker/certs.d/HOST[:PORT]`` holds
``*.crt`` (authorities) and pairs of ``*.cert`` and ``*.key`` (client certificates).
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path

from regbot.errors import CredentialError
from regbot.files import open_regular
from regbot.http.hosts import HostSettings


def context_for(settings: HostSettings, certificates: Path | None) -> ssl.SSLContext:
    """A context for one host; with TLS disabled, for the places it redirects to.

    ``certificates`` is docker's folder, None to pass it by. Raises CredentialError
    that names the certificate or file at fault.
    """
    context = ssl.create_default_context()
    _trust_fallback(context)
    context.set_alpn_protocols(["http/1.1"])
    context.hostname_checks_common_name = False
    # Private authorities are often sloppy, or the server's own certificate.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.tls == "insecure":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for folder in _folders(settings, certificates):
        _add_folder(context, folder)
    if settings.ca_certificate:
        _trust(context, settings.ca_certificate, f"regcert of {settings.name}")
    if settings.client_certificate:
        _show(context, settings)
    return context


def _trust_fallback(context: ssl.SSLContext) -> None:
    """Where the system has no authorities, take those that come with requests."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and (paths.capath is None or not any(Path(paths.capath).iterdir())):
        import certifi

        context.load_verify_locations(certifi.where())


def _folders(settings: HostSettings, certificates: Path | None) -> Iterable[Path]:
    if certificates is None:
        return
    for name in dict.fromkeys((settings.name, settings.address)):
        if "/" not in name and name not in {"", ".", ".."} and (certificates / name).is_dir():
            yield certificates / name


def _add_folder(context: ssl.SSLContext, folder: Path) -> None:
    try:
        files = sorted(folder.iterdir())
        for file in files:
            if file.suffix == ".crt":
                with open_regular(file) as pem:
                    _trust(context, pem.read().decode("ascii", "replace"), str(file))
        for file in files:
            if file.suffix == ".cert":
                key = file.with_suffix(".key")
                with open_regular(file), open_regular(key):  # ssl itself takes anything
                    context.load_cert_chain(file, key, password=_no_password)
    except ssl.SSLError as error:
        raise CredentialError(
            f"{folder}: a client certificate can't be used: {_said(error)}"
        ) from None
    except OSError as error:
        place = error.filename or folder
        raise CredentialError(f"{place}: {error.strerror or error}") from None


def _trust(context: ssl.SSLContext, pem: str, what: str) -> None:
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise CredentialError(f"{what} is not a certificate in PEM text") from None


def _show(context: ssl.SSLContext, settings: HostSettings) -> None:
    """Load the client certificate. ``ssl`` reads files only, so one lives for a moment."""
    pem = f"{settings.client_certificate}\n{settings.client_key.reveal()}\n"
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(file.name, password=_no_password)
    except ssl.SSLError as error:
        raise CredentialError(
            f"clientCert and clientKey of {settings.name} can't be used: {_said(error)}"
        ) from None
    except OSError as error:
        raise CredentialError(
            f"clientCert of {settings.name} can't be loaded: {error.strerror}"
        ) from None


def _no_password() -> str:
    """Keep OpenSSL from asking for a password on the terminal."""
    return ""


def _said(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return "not a certificate and key in PEM text, or the key has a password"
