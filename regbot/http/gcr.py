"""Stands in for ``docker-credential-gcr``: asks Google for a token of its registries.

Google's own credentials are found as everywhere: in the file that
``GOOGLE_APPLICATION_CREDENTIALS`` names, in ``~/.config/gcloud``, or by the service account
of the machine. A token lasts an hour at most.
"""

from __future__ import annotations

from typing import Any

import google.auth
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from google.auth.transport.requests import Request

from regbot.http.standins import NoPassword, speak

_USER = "oauth2accesstoken"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def get(host: str) -> tuple[str, str] | None:
    """A user and token for a registry of Google, None for another host. Raises NoPassword."""
    if not (host == "gcr.io" or host.endswith((".gcr.io", ".pkg.dev"))):
        return None
    try:
        credentials: Any
        credentials, _ = google.auth.default(scopes=_SCOPES)
        credentials.refresh(Request())
    except DefaultCredentialsError:
        raise NoPassword(
            "there are no credentials of Google (set GOOGLE_APPLICATION_CREDENTIALS, have"
            " ~/.config/gcloud, or give the machine a service account)"
        ) from None
    except RefreshError:
        raise NoPassword("Google refused to give a token (log in to Google again)") from None
    except GoogleAuthError as error:
        raise NoPassword(f"Google could not be asked: {type(error).__name__}") from None
    return _USER, str(credentials.token)


if __name__ == "__main__":
    speak(get)
