"""What the template of a backup may name of the image that is about to be replaced."""

from __future__ import annotations

from collections.abc import Mapping

from regbot.oci.reference import Reference


def fields_of(target: Reference) -> Mapping[str, str]:
    """The fields of a reference, by regclient's names for them."""
    return {
        ".Ref.Scheme": "reg" if target.scheme == "registry" else target.scheme,
        ".Ref.Registry": target.registry,
        ".Ref.Repository": target.repository,
        ".Ref.Tag": str(target.tag or ""),
        ".Ref.Digest": str(target.digest or ""),
        ".Ref.CommonName": str(target),
    }
