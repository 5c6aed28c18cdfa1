"""The command line as people and machines meet it: real processes, real folders."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import qala
from qala.site.pytest_plugin import on_postgresql
from qala.site.testing import run_command


def test_version_is_quick_and_needs_no_folder(tmp_path: Path) -> None:
    began = time.monotonic()
    found = run_command("--version", data_dir=tmp_path / "city")
    assert (found.returncode, found.stdout) == (0, f"qala {qala.__version__}\n")
    assert time.monotonic() - began < 2
    assert not (tmp_path / "city").exists()


def test_help_lists_the_verbs_and_makes_nothing(tmp_path: Path) -> None:
    found = run_command("--help", data_dir=tmp_path / "city")
    assert found.returncode == 0
    for verb in ("up", "init", "load", "export", "status", "doctor"):
        assert re.search(rf"^  {verb} ", found.stdout, re.M), verb
    assert "_part" not in found.stdout
    assert not (tmp_path / "city").exists()


@pytest.mark.parametrize("verb", [["load"], ["load", "readings"], ["status"], ["up"]])
def test_every_command_shows_the_shared_options(verb: list[str], tmp_path: Path) -> None:
    found = run_command(*verb, "--help", data_dir=tmp_path / "city")
    assert found.returncode == 0, found.stderr
    assert "--data-dir DIR" in found.stdout
    assert "--json" in found.stdout


def test_usage_errors_are_json_where_json_is_asked(tmp_path: Path) -> None:
    found = run_command("--json", "load", "nothing", data_dir=tmp_path / "city")
    assert (found.returncode, found.stdout) == (2, "")
    problem = json.loads(found.stderr)
    assert problem["event"] == "error"
    assert problem["type"] == "urn:qala:problem:usage"
    assert "nothing" in problem["what"]
    assert problem["fix"] == "qala load --help"


def test_usage_errors_for_people(tmp_path: Path) -> None:
    found = run_command("frobnicate", data_dir=tmp_path / "city")
    assert found.returncode == 2
    assert "frobnicate" in found.stderr
    assert "qala --help" in found.stderr


def test_status_and_doctor_make_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    status = run_command("status", "--json", data_dir=folder)
    assert status.returncode == 0, status.stderr
    told = json.loads(status.stdout)
    assert (told["event"], told["prepared"], told["running"]) == ("result", False, False)
    doctor = run_command("doctor", "--port", "0", "--json", data_dir=folder)
    assert doctor.returncode == 0, doctor.stdout
    lines = [json.loads(line) for line in doctor.stdout.splitlines()]
    checks = {line["check"]: line["state"] for line in lines if line["event"] == "finding"}
    assert {"python", "duckdb", "sqlite", "disk", "clock", "port"} <= set(checks)
    assert set(checks.values()) <= {"ok", "warn"}
    assert lines[-1]["event"] == "result"
    assert not folder.exists()


def test_doctor_names_who_holds_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = run_command("doctor", "--port", str(port), data_dir=tmp_path / "city")
    assert found.returncode == 0, "a taken port is in the way of qala up alone"
    assert f"! port: Port {port}" in found.stdout
    assert f"process {os.getpid()}" in found.stdout
    assert "--port" in found.stdout


@pytest.mark.parametrize("content", ["holiday.jpg", "README.md"])
def test_a_foreign_folder_is_refused_and_left_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / content).write_text("mine")
    found = run_command("up", "--port", "0", data_dir=tmp_path)
    assert found.returncode == 2
    assert "not a data folder of Qala" in found.stderr
    assert content in found.stderr
    assert [one.name for one in tmp_path.iterdir()] == [content]


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "city").write_text("a file")
    found = run_command("up", "--json", data_dir=tmp_path / "city")
    assert found.returncode == 2
    problem = json.loads(found.stderr)
    assert (problem["type"], problem["status"]) == ("urn:qala:problem:bad-input", 422)
    below = run_command("up", data_dir=tmp_path / "city" / "below")
    assert below.returncode == 2
    assert "cannot be made" in below.stderr


def test_the_folder_of_a_newer_qala_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qala-data.json").write_text(json.dumps({"format": 99, "created": "2030-01-01", "by": "9.0"}))
    for verb in (["up", "--port", "0"], ["status"]):
        found = run_command(*verb, data_dir=tmp_path)
        assert found.returncode == 2
        assert "format 99" in found.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["qala-data.json"]


def test_a_torn_marker_is_told(tmp_path: Path) -> None:
    (tmp_path / "qala-data.json").write_text("{")
    found = run_command("status", data_dir=tmp_path)
    assert found.returncode == 2
    assert "qala-data.json" in found.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    found = run_command("up", "--port", "0", data_dir=tmp_path)
    assert found.returncode == 2
    assert "not writable" in found.stderr


def test_wrong_settings_are_all_named(tmp_path: Path) -> None:
    wrong = {"QALA_PORT": "99999", "QALA_CITY_ZONE": "Mars/Olympus"}
    found = run_command("status", "--json", data_dir=tmp_path / "city", **wrong)
    assert found.returncode == 2
    problem = json.loads(found.stderr)
    assert "port" in problem["what"]
    assert "Mars/Olympus" in problem["what"]
    assert "settings.md" in problem["fix"]


def test_a_command_prepares_an_empty_folder_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "city"
    racing = [
        subprocess.Popen(
            [sys.executable, "-m", "qala", "export", "readings", "--format", "csv", str(tmp_path / f"{n}.csv"),
             "--data-dir", str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(3)
    ]  # fmt: skip
    for process in racing:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    marker = json.loads((folder / "qala-data.json").read_text())
    assert (marker["format"], marker["by"]) == (1, qala.__version__)
    doctor = run_command("doctor", "--port", "0", data_dir=folder)
    assert doctor.returncode == 0, doctor.stdout
    status = json.loads(run_command("status", "--json", data_dir=folder).stdout)
    assert status["prepared"]
    assert status["counts"]


def test_doctor_tells_of_torn_files_and_looks_at_all_else(prepared_copy: Path) -> None:
    torn = () if on_postgresql() else (("catalogue.sqlite", "catalogue"), ("records.sqlite", "records"))
    for name, check in torn:
        file = prepared_copy / name
        kept = file.read_bytes()
        file.write_bytes(b"SQLite format 3\0" + b"torn" * 5000)
        found = run_command("doctor", "--port", "0", "--json", data_dir=prepared_copy)
        file.write_bytes(kept)
        assert found.returncode == 1
        lines = [json.loads(line) for line in found.stdout.splitlines()]
        state = {line["check"]: line for line in lines if line["event"] == "finding"}
        assert state[check]["state"] == "fail"
        assert state[check]["fix"]
        assert state["disk"]["state"] == "ok"
    prepared_copy.chmod(0o755)
    found = run_command("doctor", "--port", "0", data_dir=prepared_copy)
    assert found.returncode == 0, found.stdout
    assert f"chmod 700 {prepared_copy}" in found.stdout


def test_a_fault_of_ours_is_short_here_and_whole_in_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    (folder / "qala-data.json").write_text(json.dumps({"format": 1}))
    (folder / "demo.json").write_text("[]")
    found = run_command("up", "--demo", "--port", "0", data_dir=folder)
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    log = folder / "logs" / "commands.log"
    assert str(log) in found.stderr
    assert "Traceback" in json.loads(log.read_text().splitlines()[-1])["exception"]
    loud = run_command("up", "--demo", "--port", "0", data_dir=folder, QALA_LOG_LEVEL="debug")
    assert loud.returncode == 1
    assert "Traceback" in loud.stderr


def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "qala", "--help", "--data-dir", str(tmp_path / "city")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) in (0, 1)


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "qala", "doctor", "--port", "0", "--data-dir", str(tmp_path / "city")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()  # it is at work
    process.send_signal(2)
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)  # it may have been done a moment before
