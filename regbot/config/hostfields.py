"""The types of fields about a registry: names, TLS, certificates, secrets."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from regbot.config.fields import Wanted, mistake, rendered, short_text_of, text_of, unfit
from regbot.errors import InvalidValue
from regbot.http.hosts import Secret, Tls
from regbot.oci.reference import parse_registry

_TLS: dict[str, Tls] = {"enabled": "enabled", "insecure": "insecure", "disabled": "disabled"}
TLS = Wanted("enabled, insecure or disabled", "write one of the three words")
SCHEME = Wanted("http or https", "use tls instead")
HOST = Wanted("a host name with an optional :port", "write one such as registry.example.org:5000")
_STRING = WithJsonSchema({"type": "string"})


def _tls(value: object) -> Tls | None:
    word = short_text_of(value, TLS).lower()
    if word and word not in _TLS:
        raise unfit(word, TLS)
    return _TLS.get(word)


def _scheme(value: object) -> str:
    word = short_text_of(value, SCHEME).lower()
    if word not in ("http", "https"):
        raise unfit(word, SCHEME)
    return word


def _host(value: object) -> str:
    text = short_text_of(value, HOST)
    if text:
        _parse_host(text)
    return text


def _mirror(value: object) -> str:
    text = short_text_of(value, HOST)
    return _parse_host(text)


def _parse_host(text: str, *, may_show: bool = True) -> str:
    if "://" in text:
        raise mistake(f"expected {HOST.what}, without a scheme (remove everything up to ://)")
    if not text:
        raise mistake(f"the host name is empty ({HOST.hint})")
    try:
        return parse_registry(text)
    except InvalidValue:
        if may_show and "@" not in text:
            raise unfit(text, HOST) from None
        raise mistake(f"expected {HOST.what} ({HOST.hint})") from None


def _registry(value: object, info: ValidationInfo) -> str:
    source, text = text_of(value, HOST), rendered(value, info).strip()
    if not text:
        raise mistake("the registry is empty (write its host name, or docker.io)")
    return _parse_host(text, may_show=text == source.strip())


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


Registry = Annotated[str, PlainValidator(_registry), _STRING]
Host = Annotated[str, PlainValidator(_host), _STRING]
Mirror = Annotated[str, PlainValidator(_mirror), _STRING]
TlsWord = Annotated[
    Tls | None, PlainValidator(_tls), WithJsonSchema({"type": "string", "enum": list(_TLS)})
]
Scheme = Annotated[
    str, PlainValidator(_scheme), WithJsonSchema({"type": "string", "enum": ["http", "https"]})
]
SecretText = Annotated[Secret, PlainValidator(_secret), _STRING]
Pem = Annotated[str, PlainValidator(_pem), _STRING]
SecretPem = Annotated[Secret, PlainValidator(_secret_pem), _STRING]
