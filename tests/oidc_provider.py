"""A small sign-in service (OpenID Connect) for tests: a real HTTP server on a free port that signs its ID tokens."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "qala", "a secret between two"


class Provider:
    """Use it as a context manager; whoever comes is let through as ``claims`` says.

    Args:
        claims: of the account that signs in, beside those that a token always has; ``None`` takes one away.
        signed_by: another key than the one that it publishes, for a forged token; ``algorithm`` goes with it.
    """

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.signed_by: Any = self.key
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.codes: dict[str, dict[str, str]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Provider:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_given: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def settings(self) -> dict[str, Any]:
        """What ``SOCIALACCOUNT_PROVIDERS`` holds for it."""
        app = {"provider_id": "oidc", "name": "City ID", "client_id": CLIENT, "secret": SECRET,
               "settings": {"server_url": self.address, "oauth_pkce_enabled": True}}  # fmt: skip
        return {"openid_connect": {"APPS": [app]}}

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.address, "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token", "jwks_uri": f"{self.address}/keys",
            "userinfo_endpoint": f"{self.address}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }  # fmt: skip

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, asked: dict[str, str]) -> dict[str, Any] | None:
        """The answer to a code, good once and for who began; ``None`` refuses."""
        began = self.codes.pop(asked.get("code", ""), None)
        proof = urlsafe_b64encode(sha256(asked.get("code_verifier", "").encode()).digest()).decode().rstrip("=")
        if (
            began is None
            or asked.get("client_secret") != SECRET
            or asked["redirect_uri"] != began["redirect_uri"]
            or proof != began["code_challenge"]
        ):
            return None
        now = int(time.time())
        claims = {"iss": self.address, "aud": CLIENT, "sub": "u-1", "iat": now, "exp": now + 300, **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = jwt.encode(claims, self.signed_by, algorithm=self.algorithm, headers={"kid": "k1"})
        return {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": signed}

    def keys(self) -> dict[str, Any]:
        told = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**told, "kid": "k1", "use": "sig", "alg": "RS256"}]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                where = urlsplit(self.path)
                if where.path == "/authorize":
                    self.send_response(302)
                    asked = {name: values[0] for name, values in parse_qs(where.query).items()}
                    self.send_header("Location", provider.authorize(asked))
                    self.end_headers()
                    return
                answers: dict[str, Any] = {
                    "/.well-known/openid-configuration": provider.configuration(), "/keys": provider.keys(),
                    "/userinfo": provider.userinfo,
                }  # fmt: skip
                self._answer(200 if where.path in answers else 404, answers.get(where.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked = {name: values[0] for name, values in parse_qs(body).items()}
                scheme, _space, basic = self.headers.get("Authorization", "").partition(" ")
                if scheme == "Basic":
                    asked["client_secret"] = b64decode(basic).decode().partition(":")[2]
                answer = provider.token(asked)
                self._answer(200 if answer else 400, answer or {"error": "invalid_grant"})

            def _answer(self, status: int, told: Any) -> None:
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Silent: tests tell what went wrong."""

        return Handler
