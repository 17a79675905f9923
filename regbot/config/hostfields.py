"""The kinds of values that say how to reach a registry: names, TLS, certificates, secrets."""

from __future__ import annotations

from regbot.config.document import Mistake
from regbot.config.fields import Expected, clean_text_of, text_of, unexpected, word_of
from regbot.config.filefields import rendered
from regbot.config.section import Value
from regbot.config.shapes import ANY_TEXT, shaped, text, words
from regbot.errors import InvalidValue
from regbot.http.hosts import Secret, Tls
from regbot.oci.reference import parse_registry

_TLS: dict[str, Tls] = {"enabled": "enabled", "insecure": "insecure", "disabled": "disabled"}
TLS = Expected("enabled, insecure or disabled", "write one of the three words")
SCHEME = Expected("http or https", "use tls instead")
_HOST = text("registry.example.org:5000", pattern="^[^/]*$")
HOST = Expected("a host name with an optional :port", "write one such as registry.example.org:5000")


@shaped(words(*_TLS, any_case=True))
def tls_of(value: Value) -> Tls | None:
    """How a host is reached, or None where the text is empty."""
    word = word_of(value, TLS).lower()
    if word and word not in _TLS:
        raise unexpected(word, TLS)
    return _TLS.get(word)


@shaped(words("http", "https", any_case=True))
def scheme_of(value: Value) -> str:
    """The scheme of a host's addresses."""
    word = word_of(value, SCHEME).lower()
    if word not in ("http", "https"):
        raise unexpected(word, SCHEME)
    return word


@shaped(_HOST)
def host_of(value: Value) -> str | None:
    """A host name with an optional port, or None where the text is empty."""
    text = word_of(value, HOST)
    if text:
        _parse_host(text)
    return text or None


@shaped(_HOST)
def mirror_of(value: Value) -> str:
    """The host of a mirror."""
    return _parse_host(word_of(value, HOST))


@shaped(text("registry.example.org", "docker.io"))
def registry_of(value: Value) -> str:
    """The host of a registry, which a template may give."""
    source, text = text_of(value, HOST), rendered(value).strip()
    if not text:
        raise Mistake("the registry is empty (write its host name, or docker.io)")
    return _parse_host(text, may_show=text == source.strip())


def _parse_host(text: str, *, may_show: bool = True) -> str:
    if "://" in text:
        raise Mistake(f"expected {HOST.what}, without a scheme (remove everything up to ://)")
    if not text:
        raise Mistake(f"the host name is empty ({HOST.hint})")
    try:
        return parse_registry(text)
    except InvalidValue:
        if may_show and "@" not in text:
            raise unexpected(text, HOST) from None
        raise Mistake(f"expected {HOST.what} ({HOST.hint})") from None


@shaped(ANY_TEXT)
def path_prefix_of(value: Value) -> str:
    """A path without the slashes around it."""
    return clean_text_of(value).strip("/")


@shaped(ANY_TEXT)
def secret_of(value: Value) -> Secret:
    """A secret, which a template may give."""
    return Secret(rendered(value))


@shaped(ANY_TEXT)
def pem_of(value: Value) -> str:
    """A certificate, which a template may give."""
    text = rendered(value).strip()
    if text and "-----BEGIN" not in text:
        raise Mistake(
            "expected PEM text that begins with -----BEGIN"
            " (to read a file, write '{{file \"/path\"}}')"
        )
    return text + "\n" if text else ""


@shaped(ANY_TEXT)
def secret_pem_of(value: Value) -> Secret:
    """A private key, which a template may give."""
    return Secret(pem_of(value))
