"""The doors of a running city: pages, problems, policy, API document, metrics, event streams."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from qala.site.testing import RunningCity, open_stream, read_until, wait_for

POLICY = {
    "default-src": "'self'",
    "worker-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/healthz", "/api/openapi.json", "/nowhere", "/robots.txt", "/api/v1/nowhere"]
)
def test_every_answer_carries_the_policy(path: str, city: RunningCity) -> None:
    found = city.visitor().get(path)
    policy = dict(part.strip().split(" ", 1) for part in found.headers["content-security-policy"].split(";"))
    assert policy.pop("report-uri") == "/csp-report"
    assert policy == POLICY
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["permissions-policy"].startswith("camera=()")
    assert "unsafe" not in found.headers["content-security-policy"]


def test_static_files_carry_the_policy_too(city: RunningCity) -> None:
    page = city.visitor().get("/accounts/login/", accept="text/html").text
    sheet = re.search(r'href="(/static/[^"]+\.css)"', page)
    assert sheet
    found = city.visitor().get(sheet[1])
    assert found.status == 200
    assert "default-src 'self'" in found.headers["content-security-policy"]
    assert "immutable" in found.headers["cache-control"]


def test_robots_stay_out(city: RunningCity) -> None:
    assert city.visitor().get("/robots.txt").text == "User-agent: *\nDisallow: /\n"


def test_problems_for_machines(city: RunningCity) -> None:
    found = city.visitor().get("/api/v1/nowhere")
    assert (found.status, found.headers["content-type"]) == (404, "application/problem+json")
    assert {"type", "title", "status", "detail"} <= set(found.json())
    anonymous = city.visitor().get("/api/v1/readings")
    assert (anonymous.status, anonymous.json()["type"]) == (401, "urn:qala:problem:sign-in-needed")
    page_as_json = city.visitor().get("/nowhere", accept="application/json")
    assert page_as_json.json()["status"] == 404


def test_problems_for_people(city: RunningCity) -> None:
    found = city.visitor().get("/nowhere", accept="text/html", accept_language="en")
    assert (found.status, found.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing at this address." in found.text


def test_a_page_asks_to_sign_in_and_comes_back(city: RunningCity, account: tuple[str, str]) -> None:
    visitor = city.visitor()
    asked = visitor.get("/console/", accept="text/html")
    assert urlsplit(asked.url).path == "/accounts/login/"
    assert "next=" in asked.url
    assert visitor.sign_in(*account).status == 200
    assert visitor.get("/console/", accept="text/html").url == city.address + "/console/"


def test_wrong_parameters_are_named(city: RunningCity, account: tuple[str, str]) -> None:
    visitor = city.visitor()
    visitor.sign_in(*account)
    found = visitor.get("/api/v1/readings?from=yesterday&limit=none")
    assert (found.status, found.headers["content-type"]) == (422, "application/problem+json")
    assert found.json()["rows"]


def test_an_unknown_host_is_turned_away(city: RunningCity) -> None:
    assert city.visitor().get("/accounts/login/", host="evil.example").status == 400
    assert city.visitor().get("/sse/load/x", host="evil.example").status == 422


def test_the_api_document_and_its_page(city: RunningCity) -> None:
    document = city.visitor().get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert "/api/v1/readings" in document["paths"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation["responses"]["default"]["content"]
            assert "application/problem+json" in content, f"{method} {path}"
    page = city.visitor().get("/api/docs")
    assert page.status == 200
    assert "cdn" not in page.text
    assert "<script>" not in page.text
    linked = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(linked) >= 3
    for path in linked:
        assert city.visitor().get(path).status == 200


def test_metrics_count_by_route_and_are_for_loopback(city: RunningCity) -> None:
    def counted(text: str) -> float:
        found = re.findall(r'(?m)^qala_http_requests_total\{.*route="none".*\} (\S+)$', text)
        return sum(map(float, found))

    visitor = city.visitor()
    before = counted(visitor.get("/metrics").text)
    for number in range(5):
        visitor.get(f"/nowhere/{number}")
    text = visitor.get("/metrics").text
    assert counted(text) == before + 5
    assert "/nowhere" not in text
    assert re.search(r'qala_http_request_seconds_bucket\{le="0.05",route="robots"\}', text)
    assert 'qala_part_up{part="worker"} 1.0' in text
    assert 'qala_outbox{state="failed"} 0.0' in text
    for header in ("x_forwarded_for", "forwarded"):
        assert visitor.get("/metrics", **{header: "127.0.0.1"}).status == 403


def test_metrics_of_the_worker_are_in_the_sum(city: RunningCity) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = city.visitor().get("/metrics").text
        if re.search(r'qala_jobs_total\{job="lake.maintain",outcome="successful"\} [1-9]', text):
            return
        time.sleep(0.5)
    raise AssertionError(text)


def test_violation_reports_are_taken_and_counted(city: RunningCity) -> None:
    visitor = city.visitor()

    def counted() -> float:
        return float(re.search(r"(?m)^qala_csp_violations_total (\S+)", visitor.get("/metrics").text)[1])  # type: ignore[index]

    before = counted()
    report = {"csp-report": {"document-uri": city.address + "/x?token=s3cret", "violated-directive": "script-src"}}
    sent = visitor.post("/csp-report", json.dumps(report).encode(), content_type="application/csp-report")
    assert sent.status == 204
    assert counted() == before + 1
    assert visitor.post("/csp-report", b"not json", content_type="application/csp-report").status == 400
    assert visitor.post("/csp-report", b"x" * 30_000, content_type="application/csp-report").status == 413
    logged = [line for line in city.log if "csp.violation" in line]
    assert logged
    assert not any("s3cret" in line for line in city.log)


def test_logs_are_json_lines_with_a_request_id_and_no_query(city: RunningCity) -> None:
    found = city.visitor().get("/nowhere?token=s3cret&page=2")
    key = found.headers["x-request-id"]
    wait_for("the request is in the log", 20, lambda: any(key in line for line in city.log))
    told = json.loads(next(line for line in city.log if key in line))
    assert (told["event"], told["path"], told["status"], told["part"]) == ("request", "/nowhere", 404, "web")
    assert not any("s3cret" in line for line in city.log)


def test_an_upload_that_breaks_off_keeps_nobody_waiting(city: RunningCity) -> None:
    where = urlsplit(city.address)
    for _ in range(12):  # more than there are threads
        opened = socket.create_connection((where.hostname, where.port), timeout=10)
        head = b"POST /csp-report HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        opened.sendall(head + b"900000\r\n\r\n" + b"x" * 300_000)
        opened.close()
        opened = socket.create_connection((where.hostname, where.port), timeout=10)
        opened.sendall(head + b"900\r\n\r\n{")  # and stays
    began = time.monotonic()
    assert city.visitor().get("/robots.txt").status == 200
    assert time.monotonic() - began < 2


def test_chunked_bodies_are_refused(city: RunningCity) -> None:
    where = urlsplit(city.address)
    with socket.create_connection((where.hostname, where.port), timeout=10) as opened:
        head = b"POST /csp-report HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        opened.sendall(head + b"1\r\nx\r\n0\r\n\r\n")
        assert opened.recv(100).startswith(b"HTTP/1.1 411")


def test_a_stream_refuses_before_it_starts(
    city: RunningCity, prepared: tuple[Path, str], account: tuple[str, str]
) -> None:
    for path, status in (("/sse/nothing", 404), ("/sse/load/" + "x" * 300, 404), (f"/sse/load/{prepared[1]}", 401)):
        found = city.visitor().get(path, accept="text/event-stream")
        assert (found.status, found.headers["content-type"]) == (status, "application/problem+json"), found.body
    visitor = city.visitor()
    visitor.sign_in(*account)
    assert visitor.get("/sse/load/no-load").status == 404
    assert visitor.post("/sse/load/no-load", b"{}").status == 422


def test_a_stream_sends_the_snapshot_to_all_who_watch(
    city: RunningCity, prepared: tuple[Path, str], account: tuple[str, str]
) -> None:
    visitor = city.visitor()
    visitor.sign_in(*account)
    path = f"/sse/load/{prepared[1]}"
    watching = [open_stream(city, path, visitor.cookie_header(), "Last-Event-ID: 12\r\n") for _ in range(20)]
    try:
        for opened in watching:
            seen = read_until(opened, b"}\n\n")
            head, _blank, body = seen.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b"text/event-stream" in head.lower()
            assert b"retry: " in body
            told = json.loads(re.search(rb"data: (\{.*\})", body)[1])  # type: ignore[index]
            assert told["rows_new"] == 3
        assert re.search(r"qala_event_streams 20\.0", city.visitor().get("/metrics").text)
        began = time.monotonic()
        assert city.visitor().get("/robots.txt").status == 200
        assert time.monotonic() - began < 2
    finally:
        for opened in watching:
            opened.close()
    deadline = time.monotonic() + 20
    while "qala_event_streams 0.0" not in city.visitor().get("/metrics").text:
        assert time.monotonic() < deadline, "closed streams are still counted"
        time.sleep(0.3)


def test_the_api_page_works_under_the_policy(city: RunningCity, browser: Browser) -> None:
    said: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(f"{city.address}/api/docs")
    page.get_by_text("/api/v1/readings", exact=True).first.wait_for()
    page.close()
    assert said == []
    assert not [line for line in city.log if "csp.violation" in line and "/api/docs" in line]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/devices?owner=%00", None),
        ("/api/v1/devices/W%00/changes", None),
        ("/console/devices/?q=%00", None),
        ("/api/v1/devices/W/move", rb'{"at": "2026-05-12T06:00:00Z", "place": "x", "why": "\u0000"}'),
        ("/api/v1/devices/W/move", rb'{"at": "2026-05-12T06:00:00Z", "place": "x", "why": "\ud800"}'),
        ("/api/v1/devices/W/move", b"[" * 100_000),
        ("/accounts/login/", b"login=%00&password=%00"),
    ],
)
def test_what_no_database_keeps_is_refused_at_the_door(path: str, body: bytes | None, city: RunningCity) -> None:
    visitor = city.visitor()
    visitor.get("/accounts/login/", accept="text/html")
    if body is None:
        found = visitor.get(path, accept="application/json")
    else:
        kind = "application/json" if path.startswith("/api/") else "application/x-www-form-urlencoded"
        token = next(cookie.value for cookie in visitor.cookies if cookie.name == "csrftoken")
        found = visitor.post(path, body, content_type=kind, x_csrftoken=token or "", referer=city.address + "/")
    assert found.status in (400, 401, 404, 422), found.text
