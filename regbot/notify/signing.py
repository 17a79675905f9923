"""The signature of what a webhook is sent, by the scheme of Standard Webhooks.

Signed are the id of the message, the time and the body, so that a receiver can refuse
what was changed, what was sent long ago, and what it has had already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from regbot.errors import InvalidValue

LEAST = 16
"""Bytes of a key. A shorter one could be guessed."""
_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: base64 after ``whsec_``, else the text itself.

    Raises InvalidValue for one that is too short, or not base64.
    """
    key = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise InvalidValue(f"what follows {_PREFIX} is not base64") from None
    if len(key) < LEAST:
        raise InvalidValue(f"a secret needs at least {LEAST} bytes")
    return key


def signed(secret: str, message: str, seconds: int, body: bytes) -> Mapping[str, str]:
    """The headers that sign a body. ``message`` is its id, ``seconds`` the time since 1970."""
    content = f"{message}.{seconds}.".encode() + body
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
