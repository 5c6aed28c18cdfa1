"""HTTPS by settings, and what is believed of a proxy."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client
from pydantic import ValidationError

from qala.kernel.config import Settings
from qala.kernel.errors import BadInput
from qala.site import tls
from qala.site.forwarded import believe
from qala.site.pytest_plugin import needed_program, with_databases
from qala.site.testing import RunningCity, run_command, wait_for
from tests.certificates import write_certificate


def of(certificate: Path, key: Path, **more: Any) -> Settings:
    return Settings(tls_certificate=certificate, tls_key=key, **more)


def test_what_a_certificate_says(tmp_path: Path) -> None:
    found = tls.check(of(*write_certificate(tmp_path, days=40, hosts=("qala.example", "*.city.example"))))
    assert found is not None
    assert found.names == ("qala.example", "*.city.example", "127.0.0.1")
    assert (found.until - datetime.now(UTC)).days == 39
    asked = ("qala.example", "a.city.example", "a.b.city.example", "city.example", "other.example")
    assert [found.covers(name) for name in asked] == [True, True, False, False, False]
    assert tls.check(Settings()) is None


def encrypted(key: Path) -> None:
    held = serialization.load_pem_private_key(key.read_bytes(), None)
    form = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(held.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda certificate, key: key.unlink(), "cannot be read"),
        (lambda certificate, key: certificate.write_text("nothing"), "no certificate"),
        (lambda certificate, key: key.write_text("nothing"), "no private key"),
        (lambda certificate, key: encrypted(key), "passphrase"),
        (lambda certificate, key: write_certificate(key.parent, "other")[1].replace(key), "is not the key"),
    ],
)
def test_files_that_are_refused(spoil: Callable[[Path, Path], object], words: str, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    spoil(certificate, key)
    with pytest.raises(BadInput, match=words):
        tls.check(of(certificate, key))


def test_one_file_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="go together"):
        Settings(tls_certificate=tmp_path / "a.pem")
    for wrong in ("10.0.0.1/8", "proxy.example"):
        with pytest.raises(ValidationError, match="trusted_proxies"):
            Settings(trusted_proxies=wrong)
    assert Settings(trusted_proxies="127.0.0.1, 10.0.0.0/28").trusted_proxies == ["127.0.0.1", "10.0.0.0/28"]


@pytest.mark.parametrize(
    ("days", "public", "state", "words"),
    [
        (90, "https://qala.example", "ok", "good for 89 days more"),
        (5, None, "warn", "good for 4 days more"),
        (-1, None, "fail", "ended on"),
        (90, "https://other.example", "fail", "not for other.example"),
    ],
)
def test_the_doctor_counts_the_days(days: int, public: str | None, state: str, words: str, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, days=days, hosts=("qala.example",))
    settings = {"QALA_TLS_CERTIFICATE": str(certificate), "QALA_TLS_KEY": str(key)}
    if public:
        settings["QALA_PUBLIC_URL"] = public
    done = run_command("doctor", "--json", "--port", "0", data_dir=tmp_path / "city", **settings)
    found = next(line for line in map(json.loads, done.stdout.splitlines()) if line.get("check") == "tls")
    assert found["state"] == state, found
    assert words in found["what"]
    assert bool(found["fix"]) == (state != "ok")


def served_certificate(address: str) -> str:
    return ssl.get_server_certificate((urlsplit(address).hostname or "", urlsplit(address).port or 0))


def ask(address: str, authority: Path, path: str, **headers: str) -> tuple[http.client.HTTPResponse, str]:
    where = urlsplit(address)
    context = ssl.create_default_context(cafile=str(authority))
    opened = http.client.HTTPSConnection("localhost", where.port, timeout=30, context=context)
    opened.request("GET", path, headers=headers)
    answer = opened.getresponse()
    text = answer.read().decode()
    opened.close()
    return answer, text


@pytest.mark.timeout(240)
def test_a_city_speaks_https_and_takes_a_new_certificate(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    settings = {"QALA_TLS_CERTIFICATE": str(certificate), "QALA_TLS_KEY": str(key), "QALA_HSTS_SECONDS": "600"}
    other, other_key = write_certificate(tmp_path, "other")
    folder = with_databases(tmp_path / "city")
    refused = run_command("up", "--port", "0", data_dir=folder, **{**settings, "QALA_TLS_KEY": str(other_key)})
    assert refused.returncode == 2
    assert "is not the key of the certificate" in refused.stderr
    with RunningCity(folder, settings=settings) as city:
        assert city.address.startswith("https://127.0.0.1:")
        answer, page = ask(city.address, certificate, "/accounts/login/")
        assert answer.status == 200
        assert answer.headers["Strict-Transport-Security"] == "max-age=600"
        cookies = answer.headers.get_all("Set-Cookie") or []
        assert any(cookie.startswith("csrftoken=") for cookie in cookies)
        assert all("Secure" in cookie for cookie in cookies if cookie.startswith(("csrftoken", "sessionid")))
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        program = needed_program("curl")
        done = subprocess.run(
            [program, "-sS", "--http2", "--cacert", str(certificate), "-w", "%{http_version} %{http_code}", "-o", "/dev/null",
             f"https://localhost:{urlsplit(city.address).port}/healthz"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        assert done.stdout.endswith(" 200"), done.stdout
        web = city.pids()["web"]
        first = served_certificate(city.address)
        shutil.copy(other, certificate)  # half of a renewal: not taken
        city.process.send_signal(signal.SIGHUP)
        wait_for("the half is noticed", 20, lambda: any("certificate.not_taken" in line for line in city.log))
        assert (served_certificate(city.address), city.pids()["web"]) == (first, web)
        shutil.copy(other_key, key)
        began = time.monotonic()
        city.process.send_signal(signal.SIGHUP)
        wait_for("the new certificate", 30, lambda: served_certificate(city.address) == other.read_text())
        assert time.monotonic() - began < 30
        wait_for("pages", 30, lambda: ask(city.address, certificate, "/healthz")[0].status == 200)
        _status, health = 200, json.loads(ask(city.address, certificate, "/healthz")[1])
        assert [part["restarts"] for part in health["parts"]] == [0, 0]
    assert city.process.returncode == 0


PROXY = {"REMOTE_ADDR": "10.0.0.2", "wsgi.url_scheme": "http"}


@pytest.mark.parametrize(
    ("meta", "address", "scheme"),
    [
        ({"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_FORWARDED_PROTO": "https"}, "203.0.113.9", "https"),
        ({"HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.9"}, "203.0.113.9", "http"),  # the first was made up
        ({"HTTP_X_FORWARDED_FOR": "203.0.113.9, 10.0.0.3"}, "203.0.113.9", "http"),  # two proxies
        ({"HTTP_X_FORWARDED_FOR": "2001:db8::7", "HTTP_X_REAL_IP": "2001:db8::7"}, "2001:db8::7", "http"),
        ({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, None, "http"),  # never this machine
        ({"HTTP_X_FORWARDED_FOR": "::ffff:127.0.0.1"}, None, "http"),
        ({"HTTP_X_FORWARDED_FOR": "203.0.113.9, unknown"}, None, "http"),
        ({"HTTP_X_FORWARDED_FOR": "10.0.0.3"}, None, "http"),
        ({"HTTP_X_FORWARDED_PROTO": "gopher", "HTTP_VIA": "1.1 x"}, None, "http"),
        ({"HTTP_X_FORWARDED_PROTO": "https"}, None, "https"),
    ],
)
def test_what_a_named_proxy_says(meta: dict[str, str], address: str | None, scheme: str) -> None:
    found = {**PROXY, **meta}
    believe(found, ["10.0.0.0/29"])
    assert found["wsgi.url_scheme"] == scheme
    if address is None:  # the headers stay, and by them the address counts as unknown
        assert found["REMOTE_ADDR"] == "10.0.0.2"
        assert set(meta) <= set(found)
    else:
        assert found["REMOTE_ADDR"] == address
        assert not any(name.startswith("HTTP_X_") for name in found)


@pytest.mark.parametrize("address", ["10.0.0.9", "", "not an address", "::1"])
def test_nobody_else_is_believed(address: str) -> None:
    meta = {**PROXY, "REMOTE_ADDR": address, "HTTP_X_FORWARDED_FOR": "1.2.3.4", "HTTP_X_FORWARDED_PROTO": "https"}
    before = dict(meta)
    believe(meta, ["10.0.0.0/29"])
    assert meta == before
    believe(meta, [])
    assert meta == before


@pytest.mark.django_db
def test_a_page_behind_a_proxy(settings: Any) -> None:
    forwarded: dict[str, Any] = {
        "HTTP_X_FORWARDED_FOR": "203.0.113.9",
        "HTTP_X_FORWARDED_PROTO": "https",
        "REMOTE_ADDR": "10.0.0.2",
    }
    settings.SECURE_HSTS_SECONDS = 600
    client = Client(SERVER_NAME="localhost")
    assert "Strict-Transport-Security" not in client.get("/accounts/login/", **forwarded).headers
    settings.QALA = settings.QALA.model_copy(update={"trusted_proxies": ["10.0.0.2"]})
    answer = client.get("/accounts/login/", **forwarded)
    assert answer.headers["Strict-Transport-Security"] == "max-age=600"
    assert answer.wsgi_request.META["REMOTE_ADDR"] == "203.0.113.9"
    assert "https://" in answer.wsgi_request.build_absolute_uri("/")
