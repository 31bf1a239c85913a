"""Whose certificates are believed: read once for all clients, for it takes 16 ms each time."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def certificates(*, by_environment: bool) -> ssl.SSLContext:
    """As httpx makes them. `by_environment`: SSL_CERT_FILE and SSL_CERT_DIR come before certifi's list."""
    return httpx.create_ssl_context(trust_env=by_environment)
