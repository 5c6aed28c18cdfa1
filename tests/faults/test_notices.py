"""Mails of notices: soon where nothing is wrong, once more at most where their worker is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qala.site.pytest_plugin import with_databases
from qala.site.testing import RunningCity, wait_for
from tests.mailbox import Mailbox

EMAIL = "aliya@city.example"
IN_THE_CITY = """
import sys, time
from datetime import UTC, datetime, timedelta
import django
django.setup()
from django.db import transaction
from qala.city.notices import actions
from qala.kernel import outbox
from qala.kernel.clock import SetClock
"""
TELL = """
for number in range(40):
    with transaction.atomic():
        payload = {"kind": "job", "key": str(number), "name": f"job.{time.time()}", "reason": "full"}
        outbox.tell("city.work_failed", payload, now=datetime.now(UTC))
    time.sleep(0.1)
"""
SEND_LATER = """
print(actions.send_due(clock=SetClock(datetime.now(UTC) + timedelta(minutes=int(sys.argv[1])))))
"""


def run_in(folder: Path, script: str, *arguments: str, **settings: str) -> str:
    """Run a script as another process of the city."""
    given = {"QALA_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "qala.site.settings", **settings}
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_CITY + script, *arguments],
        env={**os.environ, **given}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    controller = made.start()
    yield made
    controller.stop(no_assert=True)


@pytest.fixture
def city(tmp_path: Path, mailbox: Mailbox) -> Iterator[RunningCity]:
    """A city with an administrator, who is being told of their role."""
    folder = with_databases(tmp_path / "data")
    made = subprocess.run(
        [sys.executable, "-m", "qala", "init", "--data-dir", str(folder), "--email", EMAIL, "--name", "Aliya",
         "--password-stdin"],
        input="a quiet lake 17\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    running = RunningCity(folder, settings={"QALA_EMAIL_URL": f"smtp://127.0.0.1:{mailbox.port}"})
    yield running
    running.stop()


def test_mails_are_handed_over_within_ten_seconds(city: RunningCity, mailbox: Mailbox) -> None:
    city.start()
    wait_for("the mail of the role", 30, lambda: mailbox.taken)
    run_in(city.data_dir, TELL)
    wait_for("forty mails", 60, lambda: len(mailbox.taken) >= 41)
    waited = []
    for mail, at in list(zip(mailbox.taken, mailbox.taken_at, strict=True))[1:]:
        told = float(str(mail["Subject"]).rpartition("job.")[2])
        waited.append(at - told)
    assert len(waited) == 40
    assert sorted(waited)[int(0.95 * 40) - 1] < 10, waited


@pytest.mark.timeout(300)
def test_a_mail_whose_worker_is_killed_goes_out_once_more_at_most(city: RunningCity, mailbox: Mailbox) -> None:
    mailbox.seconds = 15  # the server took it, and has not said so
    city.start()
    wait_for("the server took the mail", 30, lambda: mailbox.taken)
    worker = city.pids()["worker"]
    os.kill(worker, signal.SIGKILL)
    wait_for("another worker", 30, lambda: city.pids().get("worker") not in (None, worker))
    mailbox.seconds = 0
    time.sleep(3)
    assert len(mailbox.taken) == 1  # while the lease lasts nobody else sends it
    city.stop()
    where = {"QALA_EMAIL_URL": f"smtp://127.0.0.1:{mailbox.port}"}
    assert [run_in(city.data_dir, SEND_LATER, minutes, **where) for minutes in ("9", "11", "60")] == ["0", "1", "0"]
    assert len(mailbox.taken) == 2
    assert len({mail["Message-ID"] for mail in mailbox.taken}) == 1
    assert {mail["To"] for mail in mailbox.taken} == {EMAIL}
