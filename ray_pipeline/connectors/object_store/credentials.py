"""Credentials for S3 where the options name none: found as every AWS tool finds them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import botocore.session  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

from ray_pipeline.errors import StoreDeniedError

if TYPE_CHECKING:
    from obstore.store import S3Credential

_REFRESH = timedelta(minutes=5)
DEFAULT_REGION = "us-east-1"


class AwsCredentials:
    """Environment, profile, container or instance role, asked through botocore: the same answer as s3fs gets.

    obstore by itself knows no profiles and no single sign-on, so that a writer and a reader on one machine would
    disagree about who they are.
    """

    def __init__(self, url: str, profile: str | None) -> None:
        self._url = url
        self._session = _session(url, profile)

    def __call__(self) -> S3Credential:
        found = self._session.get_credentials()
        if found is None:
            raise StoreDeniedError(self._url, "connect", "no credential found")
        frozen = found.get_frozen_credentials()
        # botocore refreshes a temporary credential well before its end; asking again is cheap and keeps it fresh.
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _REFRESH,
        }


def region(url: str, options: Mapping[str, str]) -> str:
    """The region that the options name, else the one that the AWS configuration names, else us-east-1."""
    named = options.get("client_kwargs.region_name") or options.get("region")
    if named:
        return named
    return _session(url, options.get("profile")).get_config_variable("region") or DEFAULT_REGION


def _session(url: str, profile: str | None) -> Any:
    try:
        session: Any = botocore.session.Session(profile=profile)
        session.get_scoped_config()  # reads the files, so that a wrong profile shows here
    except BotoCoreError as error:
        reason = f"the AWS configuration cannot be used ({type(error).__name__}); check store_options.profile"
        raise StoreDeniedError(url, "connect", reason) from None
    return session
