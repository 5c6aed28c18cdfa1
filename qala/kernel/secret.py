"""Secrets of machines: 128 random bits, shown once; what is kept of one is its SHA-256 (design: no password hash, which
costs most of a second at each request and protects only what people make up)."""

from __future__ import annotations

import secrets
from hashlib import sha256


def new_secret(prefix: str) -> str:
    """``prefix`` and 128 random bits in hexadecimal; the prefix tells people and scanners what the rest is."""
    return prefix + secrets.token_hex(16)


def secret_hash(secret: str) -> str:
    """What is kept of a secret, in hexadecimal."""
    return sha256(secret.encode()).hexdigest()
