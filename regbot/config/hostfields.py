"""The kinds of values that say how to reach a registry: names, TLS, certificates, secrets."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, PlainValidator, ValidationInfo

from regbot.config.fields import (
    Expected,
    clean_text_of,
    mistake,
    text_of,
    unexpected,
    unique,
    word_of,
)
from regbot.config.filefields import rendered
from regbot.errors import InvalidValue
from regbot.http.hosts import Secret, Tls
from regbot.oci.reference import parse_registry

_TLS: dict[str, Tls] = {"enabled": "enabled", "insecure": "insecure", "disabled": "disabled"}
TLS = Expected("enabled, insecure or disabled", "write one of the three words")
SCHEME = Expected("http or https", "use tls instead")
HOST = Expected("a host name with an optional :port", "write one such as registry.example.org:5000")


def _tls(value: object) -> Tls | None:
    word = word_of(value, TLS).lower()
    if word and word not in _TLS:
        raise unexpected(word, TLS)
    return _TLS.get(word)


def _scheme(value: object) -> str:
    word = word_of(value, SCHEME).lower()
    if word not in ("http", "https"):
        raise unexpected(word, SCHEME)
    return word


def _host(value: object) -> str | None:
    text = word_of(value, HOST)
    if text:
        _parse_host(text)
    return text or None


def _mirror(value: object) -> str:
    return _parse_host(word_of(value, HOST))


def _registry(value: object, info: ValidationInfo) -> str:
    source, text = text_of(value, HOST), rendered(value, info).strip()
    if not text:
        raise mistake("the registry is empty (write its host name, or docker.io)")
    return _parse_host(text, may_show=text == source.strip())


def _parse_host(text: str, *, may_show: bool = True) -> str:
    if "://" in text:
        raise mistake(f"expected {HOST.what}, without a scheme (remove everything up to ://)")
    if not text:
        raise mistake(f"the host name is empty ({HOST.hint})")
    try:
        return parse_registry(text)
    except InvalidValue:
        if may_show and "@" not in text:
            raise unexpected(text, HOST) from None
        raise mistake(f"expected {HOST.what} ({HOST.hint})") from None


def _path_prefix(value: object) -> str:
    return clean_text_of(value).strip("/")


def _secret(value: object, info: ValidationInfo) -> Secret:
    return Secret(rendered(value, info))


def _pem(value: object, info: ValidationInfo) -> str:
    text = rendered(value, info).strip()
    if text and "-----BEGIN" not in text:
        raise mistake(
            "expected PEM text that begins with -----BEGIN"
            " (to read a file, write '{{file \"/path\"}}')"
        )
    return text + "\n" if text else ""


def _secret_pem(value: object, info: ValidationInfo) -> Secret:
    return Secret(_pem(value, info))


Registry = Annotated[str, PlainValidator(_registry)]
Host = Annotated[str | None, PlainValidator(_host)]
TlsMode = Annotated[Tls | None, PlainValidator(_tls)]
Scheme = Annotated[str, PlainValidator(_scheme)]
PathPrefix = Annotated[str, PlainValidator(_path_prefix)]
SecretText = Annotated[Secret, PlainValidator(_secret)]
Pem = Annotated[str, PlainValidator(_pem)]
SecretPem = Annotated[Secret, PlainValidator(_secret_pem)]

_Mirror = Annotated[str, PlainValidator(_mirror)]
Mirrors = Annotated[tuple[_Mirror, ...], AfterValidator(unique)]
