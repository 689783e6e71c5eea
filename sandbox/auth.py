"""Bearer tokens: JWTs signed with HS256, whose ``permissions`` must hold ``admin``."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import jwt

from sandbox.answers import ApiError

ALGORITHM = "HS256"
ADMIN = "admin"
CACHED_TOKENS = 256


def make_token(
    secret: str, permissions: Sequence[str] = (ADMIN,), expires_in: float | None = 86_400
) -> str:
    """A token of a system identity; ``expires_in`` seconds, below 0 for an expired one."""
    claims: dict[str, object] = {"sub": "reindex-worker", "permissions": list(permissions)}
    if expires_in is not None:
        claims["exp"] = math.floor(time.time() + expires_in)
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


class Authority:
    """Admits the bearers of valid admin tokens."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        # A signature does not change: what was verified once only has to be in time still.
        self._verified: dict[str, tuple[frozenset[str], float]] = {}

    def admit_admin(self, authorization: str | None) -> None:
        """Returns for ``Bearer <admin token>``; else ApiError 401 or 403."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ApiError(401, "no_token", "A bearer token is required.")
        permissions, expires_at = self._read(token.strip())
        if expires_at <= time.time():
            raise ApiError(401, "invalid_token", "The token has expired.")
        if ADMIN not in permissions:
            raise ApiError(403, "permission_denied", "The admin permission is required.")

    def _read(self, token: str) -> tuple[frozenset[str], float]:
        if token not in self._verified:
            if len(self._verified) >= CACHED_TOKENS:
                self._verified.clear()
            self._verified[token] = self._verify(token)
        return self._verified[token]

    def _verify(self, token: str) -> tuple[frozenset[str], float]:
        try:
            claims = jwt.decode(token, self._secret, algorithms=[ALGORITHM])
        except jwt.InvalidTokenError:
            raise ApiError(401, "invalid_token", "The token is not valid.") from None
        permissions = claims.get("permissions")
        held = permissions if isinstance(permissions, list) else []
        return frozenset(map(str, held)), float(claims.get("exp", math.inf))
