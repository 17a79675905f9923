"""How the registry behaves, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

TagDelete = Literal[
    "done",
    "digest invalid",
    "invalid request",
    "bad request",
    "unsupported",
    "unknown",
    "forbidden",
    "ignored",
]
ManifestDelete = Literal["done", "unsupported", "forbidden", "only proofs", "dangling tag"]
LinkForm = Literal["relative", "absolute", "unquoted", "loop", "elsewhere", "none"]
Auth = Literal["", "basic", "bearer"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """Every switch, with what the distribution spec wants as default.

    Deleting. ``tag_delete``: what DELETE of a tag's name does (202 and done; 400
    DIGEST_INVALID; 400 INVALID_REQUEST; 400 UNSUPPORTED; 405; 404; 403; 202 with
    nothing done). ``manifest_delete``: the same for digests; "only proofs" refuses a
    digest that has a tag with 403, "dangling tag" with 400 as Google does.
    ``stale_reads``: so many reads of a deleted tag still see it. ``delete_after``: a
    delete by digest is carried out so many requests later. ``last_tag``: a manifest goes
    with its last tag. ``hidden_tags``: a manifest put by digest is kept by a hidden tag,
    and a digest without tags can't be deleted. ``lists_deleted``: a tag stays in the list
    when its manifest is deleted. ``delists``: a referrer is listed only while it has a
    tag, once it had one. ``refetches``: what is deleted comes back with the next read.
    ``protection``: status and code that answer a change of a protected tag.

    ``name``: the host name it has in references, where that is not its address.
    ``realm`` and ``service``: of the challenge; ``{url}`` is the address of its server.

    Listing. ``page_size``: tags in a page at most. ``link``: the form of Link.
    ``page_parameter``: the name that pages go on with instead of ``last``.
    ``null_tags``: an empty list is ``null``. ``catalog``: whether ``_catalog`` is there.

    Authentication. ``users``: names and passwords; ``auth``: how they are asked for.
    ``own_token_server``: the realm is another port. ``token_seconds``: life of a token;
    ``short_token_uses``: tokens end after so many uses. ``token_field``: their name.
    ``scope_limit``: scopes a token or token request may have. ``challenge_on_ping``:
    whether ``/v2/`` asks too. ``identity_tokens``: refresh tokens and their users;
    ``token_post``: whether POST is known. ``token_redirect``: the realm redirects first.
    ``token_actions``: the actions that the token server knows (empty: all), others get
    400; ``delete_action``: what a token has to allow for a DELETE.
    ``anonymous_pull``: tokens to pull need no user. ``scope_in_challenge``: whether the
    challenge says the scope. ``two_challenges``: basic is offered first, in one header.

    Content. ``digest_header``: whether Docker-Content-Digest is sent.
    ``digest_algorithm``: the algorithm in that header. ``head_manifests``: whether HEAD
    of a manifest is answered (else 405). ``blob_redirect``: blobs come from a storage
    host. ``blob_ranges``: whether Range is understood. ``referrers_api``: whether it is
    there; ``referrers_filter``: whether it filters; ``referrers_page``: its page size.
    ``checks_references``: a manifest's blobs must be there before it.
    ``needs_layer``: a manifest without a layer is refused. ``rate_limit``: GETs of
    manifests until 429.

    Uploads. ``single_put``: whether one PUT of all is taken. ``chunk_minimum``:
    OCI-Chunk-Min-Length. ``mounts``: whether a mount answers 201. ``location``: the form of
    Location. ``changing_location``: each step has a new state in its query.
    ``chunk_maximum``: a bigger PATCH or PUT gets 413.
    """

    tag_delete: TagDelete = "done"
    manifest_delete: ManifestDelete = "done"
    stale_reads: int = 0
    delete_after: int = 0
    last_tag: bool = False
    hidden_tags: bool = False
    lists_deleted: bool = False
    delists: bool = False
    refetches: bool = False
    protection: tuple[int, str] = (403, "DENIED")

    name: str = ""
    realm: str = "{url}/token"
    service: str = "test registry"

    page_size: int = 0
    link: LinkForm = "relative"
    page_parameter: str = "last"
    null_tags: bool = False
    catalog: bool = True

    users: Mapping[str, str] = field(default_factory=dict)
    auth: Auth = ""
    own_token_server: bool = False
    token_seconds: int = 300
    short_token_uses: int = 0
    token_field: Literal["token", "access_token"] = "token"
    scope_limit: int = 0
    challenge_on_ping: bool = True
    identity_tokens: Mapping[str, str] = field(default_factory=dict)
    token_post: bool = True
    token_redirect: bool = False
    token_actions: tuple[str, ...] = ()
    delete_action: str = "delete"
    anonymous_pull: bool = False
    scope_in_challenge: bool = True
    two_challenges: bool = False

    digest_header: bool = True
    digest_algorithm: str = "sha256"
    head_manifests: bool = True
    blob_redirect: bool = False
    blob_ranges: bool = True
    referrers_api: bool = True
    referrers_filter: bool = True
    referrers_page: int = 0
    checks_references: bool = True
    needs_layer: bool = False
    rate_limit: int = 0

    single_put: bool = True
    chunk_minimum: int = 0
    chunk_maximum: int = 0
    mounts: bool = True
    location: Literal["relative", "absolute"] = "absolute"
    changing_location: bool = False
