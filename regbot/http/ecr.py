"""Stands in for ``docker-credential-ecr-login``: asks AWS for a password of Amazon ECR.

The credentials of AWS are found as everywhere: in the environment, in ``~/.aws``, or by the
role of the machine. A password lasts 12 hours.
"""

from __future__ import annotations

import base64
import re

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from regbot.http.standins import NoPassword, speak

_PRIVATE = re.compile(
    r"[0-9]{12}\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>"
    r"amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)
_PUBLIC = "public.ecr.aws"
_REGION_OF_PUBLIC = "us-east-1"
"""The only region that gives passwords for public.ecr.aws."""

_TIMEOUTS = {"connect_timeout": 5, "read_timeout": 10}
"""Seconds; a helper as a whole has 30."""
_NO_CREDENTIALS = (
    "there are no credentials of AWS"
    " (set AWS_PROFILE or AWS_ACCESS_KEY_ID, have ~/.aws, or give the machine a role)"
)


def get(host: str) -> tuple[str, str] | None:
    """A user and password for a registry of ECR, None for another host. Raises NoPassword."""
    private = _PRIVATE.fullmatch(host)
    if not private and host != _PUBLIC:
        return None
    try:
        token = _of_region(private) if private else _of_public()
    except (NoCredentialsError, PartialCredentialsError):
        raise NoPassword(_NO_CREDENTIALS) from None
    except ProfileNotFound:
        raise NoPassword("AWS_PROFILE names a profile that is not in ~/.aws") from None
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "no reason given")
        raise NoPassword(f"AWS refused to give a password: {code}") from None
    except CredentialRetrievalError:
        raise NoPassword("what is to give credentials of AWS failed (log in to AWS)") from None
    except BotoCoreError as error:
        raise NoPassword(f"AWS could not be asked: {type(error).__name__}") from None
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


def _of_region(host: re.Match[str]) -> str:
    config = Config(
        use_fips_endpoint=bool(host["fips"]),
        use_dualstack_endpoint=host["domain"].startswith("on."),
        **_TIMEOUTS,
    )
    session = botocore.session.Session()
    client = session.create_client("ecr", region_name=host["region"], config=config)
    return str(client.get_authorization_token()["authorizationData"][0]["authorizationToken"])


def _of_public() -> str:
    config = Config(**_TIMEOUTS)
    session = botocore.session.Session()
    client = session.create_client("ecr-public", region_name=_REGION_OF_PUBLIC, config=config)
    return str(client.get_authorization_token()["authorizationData"]["authorizationToken"])


if __name__ == "__main__":
    speak(get)
