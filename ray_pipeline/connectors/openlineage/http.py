"""Events to a receiver, by the client's HTTP transport over a session of our own.

The session reads nothing from the environment (no proxy, no .netrc, whose password would replace the token), follows
no redirect (a 302 would turn the event into a GET, and the token would leave for another address), and never reads an
answer's body, so a wrong receiver cannot fill the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ray_pipeline.config.lineage import LineageConfig

from .client_events import client_event
from .delivery import Event, UndeliveredError

if TYPE_CHECKING:
    from requests import Session

ENDPOINT = "api/v1/lineage"


def receiver(url: str) -> str:
    """Return where events are posted.

    >>> receiver("http://marquez:5000"), receiver("https://host/lineage/"), receiver("http://h/api/v1/lineage")
    ('http://marquez:5000/api/v1/lineage', 'https://host/lineage/api/v1/lineage', 'http://h/api/v1/lineage')
    """
    base = url.rstrip("/")
    return base if base.endswith(f"/{ENDPOINT}") else f"{base}/{ENDPOINT}"


class HttpDelivery:
    """Posts events, each in one attempt."""

    def __init__(self, config: LineageConfig) -> None:
        from openlineage.client.transport.http import (
            ApiKeyTokenProvider,
            HttpConfig,
            HttpTransport,
            TokenProvider,
        )

        token = config.token
        trusted: Any = str(config.ca_file) if config.ca_file else True  # as requests takes it
        address = receiver(config.url or "")
        self._transport = HttpTransport(
            HttpConfig(
                url=address,
                endpoint=address,
                timeout=config.timeout,
                auth=ApiKeyTokenProvider({"apiKey": token.get_secret_value()}) if token else TokenProvider({}),
                session=_session(),
                retry={"total": 0},
                verify=trusted,
            )
        )

    def send(self, event: Event) -> None:
        import requests

        mine = client_event(event)
        try:
            self._transport.emit(mine)
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            raise UndeliveredError(f"the receiver answered {status}", again=status >= 500 or status == 429) from None
        except requests.TooManyRedirects:
            raise UndeliveredError(
                "the receiver redirects, which is not followed: give lineage.url the final address", again=False
            ) from None
        except requests.exceptions.SSLError:
            raise UndeliveredError(
                "the receiver's certificate is not trusted, or it speaks no TLS", again=False
            ) from None
        except requests.Timeout:
            raise UndeliveredError("the receiver did not answer in time", again=True) from None
        except (requests.RequestException, OSError) as error:
            # The message may hold the address or a header, the kind does not.
            raise UndeliveredError(f"the receiver cannot be reached ({type(error).__name__})", again=True) from None

    def close(self) -> None:
        self._transport.close()


def _session() -> Session:
    import requests

    class PlainSession(requests.Session):
        """One that goes where it was sent."""

        def get_redirect_target(self, resp: Any) -> None:
            if 300 <= resp.status_code < 400:
                resp.close()
                raise requests.TooManyRedirects(response=resp)

    session = PlainSession()
    session.trust_env = False
    session.stream = True
    return session
