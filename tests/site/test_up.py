"""``qala up`` over its life: refusals, deaths of parts and parent, the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from qala.site.testing import RunningCity, open_stream, read_until, run_command, wait_for


def test_a_second_up_on_the_folder_is_refused_by_name(city: RunningCity) -> None:
    found = run_command("up", "--port", "0", "--json", data_dir=city.data_dir)
    assert found.returncode == 2
    problem = json.loads(found.stderr)
    assert problem["type"] == "urn:qala:problem:conflict"
    assert f"process {city.process.pid}" in problem["what"]
    assert city.address in problem["what"]
    assert city.health()[0] == 200


def test_a_taken_port_is_told(city: RunningCity, tmp_path: Path) -> None:
    port = urlsplit(city.address).port
    found = run_command("up", "--port", str(port), data_dir=tmp_path / "other")
    assert found.returncode == 2
    assert f"Port {port} on 127.0.0.1 is in use" in found.stderr
    wrong = run_command("up", "--host", "203.0.113.7", "--port", "0", data_dir=tmp_path / "other")
    assert wrong.returncode == 2
    assert "203.0.113.7" in wrong.stderr


def test_status_tells_of_the_running_city(city: RunningCity) -> None:
    told = json.loads(run_command("status", "--json", data_dir=city.data_dir).stdout)
    assert (told["running"], told["address"], told["pid"]) == (True, city.address, city.process.pid)
    assert {part["part"] for part in told["parts"]} == {"web", "worker"}
    assert told["bytes"]["records"] > 0
    shown = run_command("status", data_dir=city.data_dir).stdout
    assert city.address in shown
    doctor = run_command("doctor", "--json", data_dir=city.data_dir)
    assert doctor.returncode == 0, doctor.stdout


def test_health_tells_much_and_no_secrets(city: RunningCity) -> None:
    wait_for("healthy", 30, lambda: city.health()[0] == 200)
    _status, body = city.health()
    assert body["state"] == "ok"
    assert [part["state"] for part in body["parts"]] == ["running", "running"]
    assert body["records"]["state"] == body["lake"]["state"] == "ok"
    assert body["disk"]["free_bytes"] > 0
    assert body["demo"] is False
    text = json.dumps(body)
    assert (city.data_dir / "secret_key").read_text() not in text
    assert str(city.data_dir) not in text


def test_a_killed_web_part_comes_back_and_nobody_is_turned_away(city: RunningCity) -> None:
    for round_ in (1, 2):
        killed = city.pids()["web"]
        os.kill(killed, signal.SIGKILL)
        # the parent holds the socket: who comes meanwhile waits, and is answered
        assert city.visitor().get("/robots.txt").status == 200
        assert city.pids()["web"] != killed
        _status, body = city.health()
        web = next(part for part in body["parts"] if part["part"] == "web")
        assert web["restarts"] == round_
        assert web["last_exit"]["why"] == "SIGKILL"


def test_a_killed_worker_shows_in_health_until_it_is_back(city: RunningCity) -> None:
    killed = city.pids()["worker"]
    os.kill(killed, signal.SIGKILL)
    seen = []

    def back() -> bool:
        status, body = city.health()
        worker = next(part for part in body["parts"] if part["part"] == "worker")
        seen.append((status, worker["state"], body["state"]))
        return bool(worker["state"] == "running" and worker["restarts"] >= 1 and status == 200)

    wait_for("worker is back", 30, back)
    assert (503, "waiting", "degraded") in seen
    assert city.pids()["worker"] != killed


def test_hangup_is_no_end(city: RunningCity) -> None:
    city.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert city.process.poll() is None
    assert city.visitor().get("/robots.txt").status == 200


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_time_with_streams_open(
    how: signal.Signals, prepared_copy: Path, prepared: tuple[Path, str], account: tuple[str, str]
) -> None:
    with RunningCity(prepared_copy) as running:
        visitor = running.visitor()
        visitor.sign_in(*account)
        watching = [open_stream(running, f"/sse/load/{prepared[1]}", visitor.cookie_header()) for _ in range(5)]
        for opened in watching:
            read_until(opened, b"data: ")
        children = psutil.Process(running.process.pid).children(recursive=True)
        idle = socket.create_connection(("127.0.0.1", urlsplit(running.address).port or 0))
        began = time.monotonic()
        running.process.send_signal(how)
        assert running.process.wait(15) == 0
        assert time.monotonic() - began < 10
        for opened in watching:
            opened.settimeout(2)
            while opened.recv(65536):
                pass
            opened.close()
        idle.close()
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        assert running.lines[-1]["event"] == "stopped"
        assert not (prepared_copy / "run" / "state.json").exists()
        told = json.loads(run_command("status", "--json", data_dir=prepared_copy).stdout)
        assert told["running"] is False


def test_parts_die_with_a_killed_parent_and_the_folder_is_free(prepared_copy: Path) -> None:
    with RunningCity(prepared_copy) as running:
        children = psutil.Process(running.process.pid).children(recursive=True)
        assert len(children) >= 2
        running.process.kill()
        _gone, alive = psutil.wait_procs(children, timeout=10)
        assert not alive
    with RunningCity(prepared_copy) as again:
        assert again.health()[1]["parts"][0]["restarts"] == 0
