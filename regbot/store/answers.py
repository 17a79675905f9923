"""What the headers of a manifest's answer tell."""

from __future__ import annotations

from collections.abc import Mapping

from regbot.errors import InvalidValue
from regbot.http.pacing import leading_count
from regbot.oci.digest import Digest
from regbot.oci.manifest import Head, RateLimit


def digest_said(headers: Mapping[str, str]) -> Digest | None:
    """Docker-Content-Digest; None when missing or of an unknown algorithm."""
    try:
        return Digest.parse(headers.get("Docker-Content-Digest", ""))
    except InvalidValue:
        return None


def media_type_said(headers: Mapping[str, str]) -> str:
    """Content-Type without its parameters."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def size_said(headers: Mapping[str, str]) -> int | None:
    """Content-Length in bytes."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def head_said(headers: Mapping[str, str]) -> Head | None:
    """A manifest's head, or None where the headers leave something out."""
    media_type, digest, size = media_type_said(headers), digest_said(headers), size_said(headers)
    if digest is None or size is None or not media_type:
        return None
    return Head(media_type, digest, size, rate_limit_said(headers))


def rate_limit_said(headers: Mapping[str, str]) -> RateLimit:
    """Docker Hub's pull limit: ``ratelimit-limit: 100;w=21600`` and its sisters."""
    if "RateLimit-Limit" not in headers and "RateLimit-Remaining" not in headers:
        return RateLimit()
    limits = [part.strip() for part in headers.get("RateLimit-Limit", "").split(",")]
    return RateLimit(
        limit=leading_count(limits[0]),
        remaining=leading_count(headers.get("RateLimit-Remaining", "")),
        reset=leading_count(headers.get("RateLimit-Reset", "")),
        policies=tuple(part for part in limits if ";" in part),
    )
