"""``qala doctor``."""

from __future__ import annotations

import click
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.site.doctor import counts, examine


@click.command(help=_("Look at everything that can be wrong with this installation and say what to do."))
@click.option("--port", type=click.IntRange(0, 65535), help=_("Port to look at (default: QALA_PORT, 8000)."))
@click.option(
    "--send-test", metavar="ADDRESS", help=_("Also send a mail to this address and say what the mail server answered.")
)
def doctor(port: int | None, send_test: str | None) -> int:
    marks = {"ok": "✓", "warn": "!", "fail": "✗"}
    findings = []
    for finding in examine(settings.QALA, port=port, send_test=send_test):
        findings.append(finding)
        said = f"{marks[finding.state]} {finding.check}: {finding.what}"
        fields = {"check": finding.check, "state": finding.state, "what": finding.what, "fix": finding.fix}
        console.say(f"{said}\n    {finding.fix}" if finding.fix else said, event="finding", **fields)
    console.result({"ok": _("fine"), "warn": _("warnings"), "fail": _("failures")}, **counts(findings))
    return 1 if any(finding.state == "fail" for finding in findings) else 0
