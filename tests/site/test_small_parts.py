"""The parts of the house that can be looked at alone."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.utils import translation
from django_tasks_db.models import DBTaskResult

from qala.kernel import console, jobs
from qala.kernel.access import system
from qala.kernel.errors import BadInput
from qala.kernel.forgotten import forget_jobs
from qala.kernel.lake import Lake
from qala.kernel.plug import Job
from qala.site import bridge, cli, csp, logs, problems, status, worker
from qala.site.context import menu
from qala.site.formats.text import bytes_text
from tests import factories

NOW = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)


def test_shared_options_stand_anywhere() -> None:
    take = cli.take_shared_options
    assert take(["load", "readings", "a.csv", "--json"]) == (["load", "readings", "a.csv"], True, None)
    assert take(["--data-dir", "x", "up"]) == (["up"], False, "x")
    assert take(["up", "--data-dir=x", "--demo"]) == (["up", "--demo"], False, "x")
    assert take(["load", "--", "--json"]) == (["load", "--", "--json"], False, None)


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("password", "hunter2", logs.HIDDEN),
        ("session_key", "abc", logs.HIDDEN),
        ("Authorization", "Bearer abc", logs.HIDDEN),
        ("url", "https://x.example/a?token=abc&page=2", f"https://x.example/a?token={logs.HIDDEN}&page=2"),
        ("why", "cannot reach postgresql://qala:hunter2@db/x", f"cannot reach postgresql://qala:{logs.HIDDEN}@db/x"),
        ("tokens", 3, 3),
        ("path", "/console/", "/console/"),
    ],
)
def test_logs_hide_secrets(field: str, value: object, kept: object) -> None:
    assert logs.hide_secrets(None, "info", {field: value}) == {field: kept}


def test_the_standard_library_logs_through_the_same_door(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.configure(settings.QALA, to="stderr", part="web")
        url = "https://x.example/?access_token=abc"
        logging.getLogger("some.library").warning("at %s", url, extra={"cookie": "c=1"})
        told = json.loads(capsys.readouterr().err)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    assert told["event"] == f"at https://x.example/?access_token={logs.HIDDEN}"
    assert (told["cookie"], told["part"], told["level"]) == (logs.HIDDEN, "web", "warning")


def test_outside_tiles_are_the_policys_only_exception(settings: Any) -> None:
    settings.QALA = settings.QALA.model_copy(update={"tile_url": "https://tiles.example/{z}/{x}/{y}.png?key=abc"})
    csp.policy.cache_clear()
    try:
        parts = csp.policy().split("; ")
    finally:
        csp.policy.cache_clear()
    assert "img-src 'self' data: https://tiles.example" in parts
    assert "connect-src 'self' https://tiles.example" in parts
    assert not any("abc" in part for part in parts)


def test_problem_details_keep_their_length() -> None:
    error = BadInput("Rows are wrong.", fix="Correct them.", rows=[f"line {n}" for n in range(250)])
    told = problems.details(error)
    assert (told["status"], told["type"], told["fix"]) == (422, "urn:qala:problem:bad-input", "Correct them.")
    assert len(told["rows"]) == problems.MOST_ROWS
    assert told["more_rows"] == 150
    assert problems.for_command(error)["rows"][-1] == "and 150 more"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["0 B", "1,023 B", "1.5 KiB", "3.0 TiB", "−2.0 MiB"]),
        ("ru", ["0 Б", "1 023 Б", "1,5 КиБ", "3,0 ТиБ", "−2,0 МиБ"]),
        ("kk", ["0 Б", "1 023 Б", "1,5 КиБ", "3,0 ТиБ", "−2,0 МиБ"]),
    ],
)
def test_sizes_in_words(language: str, words: list[str]) -> None:
    with translation.override(language):
        said = [bytes_text(n).replace("\u00a0", " ") for n in (0, 1023, 1536, 3 * 2**40, -(2**21))]
    assert said == words


def test_bytes_below_counts_all_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"x" * 10)
    (tmp_path / "d").write_bytes(b"x" * 5)
    assert status.bytes_below(tmp_path) == 15
    assert status.bytes_below(tmp_path / "nothing") == 0


@pytest.mark.django_db
def test_a_demo_account_is_nobody_from_afar(client: Any, settings: Any) -> None:
    from django.contrib.auth import get_user_model

    person = get_user_model().objects.create(email="engineer@demo.qala", name="Болат", is_demo=True, language="ru")
    client.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
    here = client.get("/nowhere", HTTP_ACCEPT="text/html")
    assert (here.status_code, here.wsgi_request.who.id, here.wsgi_request.LANGUAGE_CODE) == (404, person.pk, "ru")
    for afar in (
        {"REMOTE_ADDR": "10.0.0.5"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
    ):
        found = client.get("/console/", **afar)
        assert found.status_code == 302, afar
        assert found.headers["Location"].startswith("/accounts/login/")
        assert found.wsgi_request.who.kind == "anonymous"


class TestConsole:
    @pytest.fixture(autouse=True)
    def _form_again(self) -> Any:
        yield
        console.speak(None)

    def test_json_lines(self, capsys: pytest.CaptureFixture[str]) -> None:
        console.speak("json")
        console.say("Жүктелді", rows=3)
        console.warn("slow")
        with console.progress("load", total=10, unit="rows") as progress:
            progress.advance(10)
        console.table("part", [{"part": "web"}], {"part": "Part"})
        console.result(new=3, at=NOW)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert lines[0] == {"event": "note", "text": "Жүктелді", "rows": 3}
        assert lines[1]["event"] == "warning"
        assert (lines[-3]["event"], lines[-3]["done"], lines[-3]["finished"]) == ("progress", 10, True)
        assert lines[-2] == {"event": "part", "part": "web"}
        assert lines[-1] == {"event": "result", "new": 3, "at": "2026-05-12T09:00:00+00:00"}

    def test_plain_lines(self, capsys: pytest.CaptureFixture[str]) -> None:
        console.speak("plain")
        with console.progress("load [bold]", unit="rows") as progress:
            progress.advance(674_019)
        with console.progress("nothing counted"):
            pass
        console.result({"new": "New rows"}, new=674019, already_there=0, gone=None)
        console.error({"what": "Wrong.", "rows": ["line 3"], "fix": "Correct it."})
        told = capsys.readouterr()
        assert told.out.splitlines() == [
            "load [bold]: 674 019 rows", "load [bold]: 674 019 rows", "nothing counted",
            "New rows       674 019", "already there  0",
        ]  # fmt: skip
        assert told.err.splitlines() == ["Wrong.", "  line 3", "Correct it."]


class TestBridge:
    """The application's half of ASGI, fed by hand with the messages that a server sends."""

    def answer(
        self, application: bridge.Wsgi, messages: list[dict[str, Any]], headers: list[tuple[bytes, bytes]]
    ) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            await asyncio.sleep(3600)
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        async def ask() -> None:
            scope = {
                "type": "http", "method": "POST", "path": "/қала", "query_string": b"a=1", "http_version": "1.1",
                "headers": headers, "client": ("127.0.0.1", 1), "server": ("localhost", 80), "scheme": "http",
            }  # fmt: skip
            await bridge.Pages(application, 2)(scope, receive, send)

        with ThreadPoolExecutor(1) as thread:  # a browser that other tests hold open has a loop in this one
            thread.submit(asyncio.run, ask()).result(60)
        return sent

    def test_variables(self) -> None:
        seen: dict[str, Any] = {}

        def application(variables: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            seen.update(variables)
            start("200 OK", [("X-A", "б".encode().decode("latin1"))])
            return [b"hello ", variables["wsgi.input"].read()]

        headers = [
            (b"content-length", b"5"), (b"content-type", b"text/plain"), (b"cookie", b"a=1"), (b"cookie", b"b=2"),
            (b"x-forwarded-for", b"10.0.0.1"), (b"x_forwarded_for", b"127.0.0.1"),
        ]  # fmt: skip
        parts = [
            {"type": "http.request", "body": b"wor", "more_body": True},
            {"type": "http.request", "body": b"ld", "more_body": False},
        ]
        sent = self.answer(application, parts, headers)
        assert seen["PATH_INFO"].encode("latin1").decode() == "/қала"
        assert (seen["HTTP_COOKIE"], seen["HTTP_X_FORWARDED_FOR"]) == ("a=1; b=2", "10.0.0.1")
        assert (seen["CONTENT_LENGTH"], seen["CONTENT_TYPE"]) == ("5", "text/plain")
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert sent[1]["body"] == b"hello world"

    def test_large_answers_stream_and_are_closed(self) -> None:
        closed = []

        class Long:
            def __iter__(self) -> Any:
                return (b"x" * 50_000 for _ in range(40))

            def close(self) -> None:
                closed.append(True)

        def application(variables: dict[str, Any], start: Callable[..., Any]) -> Any:
            start("200 OK", [])
            return Long()

        sent = self.answer(application, [], [])
        assert sum(len(message.get("body", b"")) for message in sent) == 2_000_000
        assert len(sent) > 10
        assert closed == [True]

    def test_half_an_upload_is_an_error_for_its_reader(self) -> None:
        seen: list[Any] = []

        def application(variables: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            start("400 Bad Request", [])
            try:
                while variables["wsgi.input"].read(70_000):
                    pass
                seen.append("whole")
            except OSError as error:
                seen.append(error)
            return [b""]

        parts: list[dict[str, Any]] = [
            {"type": "http.request", "body": b"x" * 300_000, "more_body": True},
            {"type": "http.disconnect"},
        ]
        self.answer(application, parts, [(b"content-length", b"900000")])
        assert isinstance(seen[0], OSError)

    def test_an_answer_that_breaks_is_cut_off(self) -> None:
        def application(variables: dict[str, Any], start: Callable[..., Any]) -> Any:
            start("200 OK", [])
            yield b"x" * 300_000
            raise ValueError("in the middle")

        with pytest.raises(bridge.ClientLeft):
            self.answer(application, [], [])


@pytest.mark.django_db(transaction=True)
class TestWorker:
    JOB = Job("test.tick", "qala.kernel.lake.maintain", every=timedelta(minutes=5))

    def tasks(self) -> Any:
        return DBTaskResult.objects.all()

    def calendar(self) -> worker.Calendar:
        made = worker.Calendar()
        made._jobs = [self.JOB]
        return made

    def test_a_turn_is_queued_once_whoever_asks(self) -> None:
        one, other = self.calendar(), self.calendar()
        assert [one.queue_due(NOW), other.queue_due(NOW), one.queue_due(NOW + timedelta(minutes=4))] == [1, 0, 0]
        task = self.tasks().get()
        assert task.args_kwargs == {"args": ["test.tick", {}], "kwargs": {}}
        assert worker.name_of(task) == "test.tick"

    def test_turns_do_not_pile_up_behind_a_slow_one(self) -> None:
        calendar = self.calendar()
        calendar.queue_due(NOW)
        assert calendar.queue_due(NOW + timedelta(minutes=5)) == 0
        self.tasks().update(status="SUCCESSFUL")
        assert calendar.queue_due(NOW + timedelta(minutes=6)) == 1

    def test_what_a_dead_worker_held_is_taken_back_but_not_for_ever(self) -> None:
        mine, other = f"{worker.place_of(settings.QALA)}.1", "elsewhere:abc.1"
        jobs.run_job.enqueue("test.tick", {})
        task = self.tasks().get()
        for holders, after in (([other], "RUNNING"), ([mine], "READY"), ([mine] * 3, "FAILED")):
            self.tasks().update(status="RUNNING", worker_ids=holders)
            worker.take_back(settings.QALA)
            task.refresh_from_db()
            assert task.status == after, holders

    def test_finished_tasks_are_forgotten(self) -> None:
        jobs.run_job.enqueue("test.tick", {})
        self.tasks().update(status="SUCCESSFUL", finished_at=NOW)
        assert sum(count for _step, count in forget_jobs(NOW - timedelta(seconds=1), NOW)) == 0
        assert sum(count for _step, count in forget_jobs(NOW + timedelta(seconds=1), NOW)) == 1


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/console/", "/console/"),
        ("/console/map/", "/console/map/"),
        ("/console/devices/", "/console/devices/"),
        ("/console/models/", "/console/devices/"),
        ("/console/organisations/x/", "/console/people/"),
        ("/console/roles/", "/console/people/"),
        ("/console/loads/devices/", "/console/loads/"),
        ("/console/me/", None),
    ],
)
def test_the_menu_marks_where_a_page_belongs(path: str, entry: str | None) -> None:
    request = RequestFactory().get(path)
    request.who = system("test")  # type: ignore[attr-defined]
    assert [one["url"] for one in menu(request) if one["active"]] == ([entry] if entry else [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "lands", "sees"),
    [
        (None, "/my/meters/", "My meters"),
        ("resident", "/my/meters/", "My meters"),
        ("desk_official", "/console/", "New work order"),
        ("manager", "/console/", "never reported"),
    ],
)
def test_everyone_finds_what_they_come_for(role: str | None, lands: str, sees: str, roles: None, lake: Lake) -> None:
    at = factories.organisation("water")
    factories.device("W-1", owner=at)
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person(role, at if role else None))
    page = client.get("/console/", follow=True)
    assert page.wsgi_request.path == lands
    assert sees in page.content.decode() and "No loads yet" not in page.content.decode()
    assert client.get("/my/", follow=True).wsgi_request.path == "/my/meters/"
