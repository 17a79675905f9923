"""Tags, repositories and referrers, page by page in every form of Link."""

from __future__ import annotations

from urllib.parse import urlencode

from support.registry.calls import Call, Reply, error, json_reply
from support.registry.content import Content, Repository
from support.registry.quirks import Quirks

OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def link(quirks: Quirks, call: Call, more: dict[str, str]) -> dict[str, str]:
    """The Link header to the next page, in the form asked for."""
    target = f"{call.path}?{urlencode(more)}"
    absolute = f"{call.scheme}://{call.host}{target}"
    match quirks.link:
        case "none":
            return {}
        case "absolute":
            return {"Link": f'<{absolute}>; rel="next"'}
        case "unquoted":
            return {"Link": f"<{target}>; rel=next"}
        case "loop":
            return {"Link": f'<{call.target}>; rel="next"'}
        case "elsewhere":
            elsewhere = absolute.replace("127.0.0.1", "localhost")
            return {"Link": f'<{elsewhere}>; rel="next"'}
    return {"Link": f'<{target}>; rel="next"'}


def page(quirks: Quirks, call: Call) -> tuple[str, int]:
    """The last name seen and how many are wanted; 0 is all."""
    query = call.query
    wanted = int(query.get("n") or 0)
    sizes = [size for size in (wanted, quirks.page_size) if size > 0]
    return query.get(quirks.page_parameter, query.get("last", "")), min(sizes, default=0)


def tags(quirks: Quirks, call: Call, repository: Repository | None, name: str) -> Reply:
    if repository is None or not (repository.manifests or repository.tags):
        return error(404, "NAME_UNKNOWN", "repository name not known to registry")
    last, count = page(quirks, call)
    names, more = repository.tags_after(last, count)
    headers = {}
    if more:
        headers = link(quirks, call, {"n": str(count), quirks.page_parameter: names[-1]})
    listed = names if names or not quirks.null_tags else None
    return json_reply(200, {"name": name, "tags": listed}, headers)


def catalog(quirks: Quirks, call: Call, content: Content) -> Reply:
    if not quirks.catalog:
        return error(404, "NOT_FOUND", "page not found")
    last, count = page(quirks, call)
    names = [name for name in content.names() if name > last]
    shown = names[:count] if count else names
    headers = {}
    if len(shown) < len(names):
        headers = link(quirks, call, {"n": str(count), quirks.page_parameter: shown[-1]})
    return json_reply(200, {"repositories": shown}, headers)


def referrers(quirks: Quirks, call: Call, repository: Repository, digest: str) -> Reply:
    if not quirks.referrers_api:
        return Reply(404, {"Content-Type": "text/plain"}, b"404 page not found\n")
    found = repository.referrers(digest, only_tagged=quirks.delists)
    headers = {"Content-Type": OCI_INDEX}
    wanted = call.query.get("artifactType", "")
    if wanted and quirks.referrers_filter:
        found = [entry for entry in found if entry.get("artifactType") == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    start, size = int(call.query.get("page") or 0), quirks.referrers_page
    if size and start + size < len(found):
        more = {"page": str(start + size), **({"artifactType": wanted} if wanted else {})}
        headers |= link(quirks, call, more)
    shown = found[start : start + size] if size else found
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": shown}
    return json_reply(200, index, headers)
