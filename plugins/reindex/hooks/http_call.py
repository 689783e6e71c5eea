"""One HTTP call whose time-out holds for the whole of it, whatever the service does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from reindex.errors import ServiceUnavailable
from reindex.hooks.endpoint import Endpoint
from reindex.hooks.keep_alive import HttpAnswer

MOST_ANSWER_BYTES = 5_000_000


def call_once(
    endpoint: Endpoint,
    service: str,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: object = None,
) -> HttpAnswer:
    """
    Call it, in a loop of its own: a client that blocks counts its time-out anew with each byte.

    The connection alone says by what way, and with which token: no proxy of the process's
    environment, no login of a ``~/.netrc`` in the token's place, and no redirect is followed.

    :param service: how errors name it, such as ``Jobs service``
    :param body: goes out as JSON; ``None`` is no body
    :raises ServiceUnavailable: no complete answer within ``endpoint.timeout`` seconds
    """
    where = f"{service} at {endpoint.where}"
    call = _call(endpoint, method, path, headers, body)
    try:
        return asyncio.run(asyncio.wait_for(call, endpoint.timeout))
    except asyncio.TimeoutError:
        raise ServiceUnavailable(
            f"{where} gave no whole answer within {endpoint.timeout:g} s"
        ) from None
    # Its text may hold the URL with a proxy's credentials: the class says enough.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        name = type(error).__name__
        if "SSL" in str(error):
            raise ServiceUnavailable(
                f"{where} cannot be spoken to over TLS ({name}): is its certificate right, and "
                "the extra verify?"
            ) from None
        raise ServiceUnavailable(
            f"{where} cannot be reached ({name}): is it running, and are host and port right?"
        ) from None


async def _call(
    endpoint: Endpoint, method: str, path: str, headers: Mapping[str, str], body: object
) -> HttpAnswer:
    over_tls = any(url.startswith("https:") for url in (endpoint.base_url, endpoint.proxy or ""))
    async with (
        httpx.AsyncClient(
            verify=endpoint.ssl_context() if over_tls else False,
            proxy=endpoint.proxy,
            trust_env=False,
            timeout=None,  # the whole call has one
        ) as client,
        client.stream(method, endpoint.base_url + path, json=body, headers=dict(headers)) as answer,
    ):
        content = bytearray()
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > MOST_ANSWER_BYTES:
                raise httpx.DecodingError("the answer is too large")
        return HttpAnswer(answer.status_code, answer.headers, bytes(content))
