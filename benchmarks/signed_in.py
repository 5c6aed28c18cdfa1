"""A real city that answers, and somebody who is signed in to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common import environment

from qala.site.testing import RunningCity, Visitor

EMAIL, PASSWORD = "bench@example.org", "a long sentence for measuring pages"


def qala(city: Path, *arguments: str, given: str = "") -> str:
    """Run one command on a data folder."""
    done = subprocess.run(
        [sys.executable, "-m", "qala", *arguments, "--data-dir", str(city)],
        env=environment(city), input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"qala {' '.join(arguments)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def signed_in_city(folder: Path, commands: Sequence[Sequence[str]] = ()) -> Iterator[tuple[RunningCity, Visitor]]:
    """Make a city with one administrator, run commands on it, start it and sign in."""
    qala(folder, "init", "--email", EMAIL, "--name", "Bench", "--password-stdin", given=PASSWORD + "\n")
    for command in commands:
        qala(folder, *command)
    with RunningCity(
        folder, settings={name: value for name, value in environment(folder).items() if name != "QALA_DATA_DIR"}
    ) as city:
        visitor = city.visitor()
        answer = visitor.sign_in(EMAIL, PASSWORD)
        if visitor.get("/console/").url.endswith("/login/") or answer.status >= 400:
            raise SystemExit(f"signing in failed: {answer.status} {answer.url}")
        yield city, visitor
