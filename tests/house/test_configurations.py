"""The configurations that the how-to pages show are taken by the programs that they are for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from qala.site.pytest_plugin import find_program
from tests.certificates import write_certificate

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"


def block(page: str, language: str, sign: str) -> str:
    """The code block of a page that holds the sign."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", (HOWTO / page).read_text(encoding="utf-8"), re.S)
    return next(one for one in blocks if sign in one)


def program(name: str) -> str:
    found = find_program(name, beside="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


def test_the_unit_of_systemd(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = tmp_path / "qala.service"
    text = block("systemd.md", "ini", "ExecStart=")
    text = re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", text)
    unit.write_text(text.replace("User=qala", "User=daemon").replace("Group=qala", "Group=daemon"))
    told = said(analyze, "verify", "--man=no", str(unit))
    assert str(unit) not in told, told  # it warns of what it does not know and goes on
    assert unit.name + ":" not in told, told


def test_nginx(tmp_path: Path) -> None:
    nginx = program("nginx")
    certificate, key = write_certificate(tmp_path)
    text = block("proxy.md", "nginx", "server {")
    text = text.replace("/etc/ssl/qala.example.pem", str(certificate)).replace("/etc/ssl/qala.example.key", str(key))
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    said(nginx, "-t", "-c", str(file), "-p", str(tmp_path))


def test_caddy(tmp_path: Path) -> None:
    caddy = program("caddy")
    file = tmp_path / "Caddyfile"
    file.write_text(block("proxy.md", "text", "reverse_proxy"))
    said(caddy, "adapt", "--config", str(file), "--adapter", "caddyfile", "--validate")
