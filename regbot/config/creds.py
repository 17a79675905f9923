"""``creds``: how to reach each registry and log in."""

from __future__ import annotations

from regbot.config.fields import (
    clean_text_of,
    count_of,
    duration_of,
    flag_of,
    positive_count_of,
    rate_of,
    size_of,
    size_or_unlimited_of,
)
from regbot.config.filefields import rendered
from regbot.config.hostfields import (
    host_of,
    mirror_of,
    path_prefix_of,
    pem_of,
    registry_of,
    scheme_of,
    secret_of,
    secret_pem_of,
    tls_of,
)
from regbot.config.section import Key, Listing, RequiredKey, Section


class ApiOpts(Section):
    """Switches of single calls of the registry's API; fields of HostSettings."""

    disable_head = Key(
        flag_of,
        "`true` sends GET instead of HEAD, for registries whose HEAD doesn't work.",
        default=False,
    )


class Creds(Section):
    """How to reach a registry and log in; fields of HostSettings and its Login."""

    called = "a creds entry"

    name = RequiredKey(
        registry_of,
        "The registry's name as it appears in references, `host[:port]`; `docker.io` for"
        " Docker Hub.",
        alias="registry",
    )
    hostname = Key(host_of, "The address to connect to, if it differs from the name.")
    user = Key(rendered, "The user name.")
    password = Key(secret_of, "The password.", alias="pass")
    identity_token = Key(
        secret_of,
        "An identity token, which is exchanged for access tokens, or a bearer token, which is"
        " sent as it is.",
        alias="token",
    )
    helper = Key(
        clean_text_of,
        "A Docker credential helper: a program that is run with the argument `get`, reads the"
        " registry's name from standard input, and prints credentials as JSON.",
        alias="credHelper",
    )
    helper_expires = Key(
        duration_of,
        "How long the helper's answer is used before it is asked again. Default: `1h`.",
        alias="credExpire",
    )
    helper_key = Key(
        clean_text_of,
        "The name to give to the helper, if it differs from the registry's.",
        alias="credHost",
    )
    tls = Key(
        tls_of,
        "`enabled` (the default); `insecure` to skip certificate verification; `disabled` for"
        " plain HTTP.",
    )
    scheme = Key(scheme_of, "Deprecated. `http` is the same as `tls: disabled`.")
    ca_certificate = Key(
        pem_of,
        "Certificates to trust in addition to the system's, as PEM text.",
        alias="regcert",
    )
    client_certificate = Key(pem_of, "The client certificate, as PEM text.", alias="clientCert")
    client_key = Key(secret_pem_of, "The key of the client certificate, as PEM text.")
    path_prefix = Key(
        path_prefix_of,
        "A prefix for repository names, for a mirror that holds several registries.",
    )
    mirrors = Key(
        Listing(mirror_of, unique=True),
        "Registries to read manifests and blobs from first. Tags are listed by the registry"
        " itself; a mirror lists them, with a warning, only when the registry can't be"
        " reached. Nothing is ever written to a mirror.",
    )
    priority = Key(count_of, "The order of mirrors; lower numbers are asked first.", default=0)
    repo_auth = Key(
        flag_of,
        "`true` requests a separate token for each repository, for registries that reject"
        " tokens for many repositories.",
        default=False,
    )
    blob_chunk = Key(size_of, "The size of each chunk of a chunked upload.")
    blob_max = Key(
        size_or_unlimited_of,
        "Blobs up to this size are uploaded in one request; `-1` means all of them.",
    )
    requests_per_second = Key(
        rate_of,
        "The maximum number of requests per second, such as `0.5`. Default: no limit. All"
        " processes whose `state` is the same database keep to it together.",
        alias="reqPerSec",
    )
    concurrency = Key(
        positive_count_of,
        "The maximum number of concurrent requests, of all processes whose `state` is the same"
        " database together.",
        alias="reqConcurrent",
        default=32,
    )
    api_opts = Key(
        ApiOpts.read,
        "Switches for single calls: `disableHead: true` sends GET instead of HEAD, for"
        " registries whose HEAD doesn't work.",
    )


def is_secret(alias: str) -> bool:
    """Whether the value of a key is a secret."""
    key = Creds.keys.get(alias)
    return key is not None and key.kind in (secret_of, secret_pem_of)
