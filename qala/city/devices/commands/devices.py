"""Command line verbs of devices."""

from __future__ import annotations

import csv
import getpass
import os
import sys
from datetime import datetime
from pathlib import Path

import click
from django.utils.translation import gettext as _

from qala import drivers
from qala.drivers.checking import check
from qala.kernel import console, outbox
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, NotFound
from qala.kernel.instants import Instant
from qala.kernel.list_commands import export_command
from qala.kernel.paging import span_of

from .. import actions, store
from ..models import DeviceLoad, DeviceRefusal, RefusalReason

SUMMARY = {
    "read": _("rows read"),
    "new": _("new"),
    "new_versions": _("new versions"),
    "already_there": _("already there"),
    "refused": _("rows refused"),
    "refused_by_reason": _("rows refused, by reason"),
    "series": _("series"),
    "devices_created": _("devices created"),
    "first_time": _("first time"),
    "last_time": _("last time"),
    "refused_file": _("refused rows are in"),
    "load": _("load"),
    "dry_run": _("dry run"),
}


@click.command(
    "readings", help=_("Load a file of readings (CSV, also in gzip or zip, or Parquet); again adds nothing.")
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--profile", required=True, metavar="NAME|FILE.toml", help=_("What the columns of the file mean."))
@click.option("--dry-run", is_flag=True, help=_("Read, check and count everything; keep nothing."))
def load_readings(file: Path, profile: str, dry_run: bool) -> None:
    with console.progress(_("Loading {file}").format(file=file.name), total=100, unit="%") as bar:
        summary = actions.load_readings(
            path=file, profile=store.find_profile(profile), profile_name=profile,
            who=system(f"cli:{console.operator()}"), dry_run=dry_run,
            progress=lambda share: bar.update(done=round(100 * share)),
        )  # fmt: skip
        bar.update(done=100)
    if not dry_run:
        with console.progress(_("Computing what follows from it")):
            outbox.deliver_due()
    labels = {
        reason: _("rows refused: {reason}").format(reason=RefusalReason(reason).label)
        for reason in summary.refused_by_reason
    }
    console.result(
        {**{key: text for key, text in SUMMARY.items() if key != "refused_by_reason"}, **labels},
        **{
            "read": summary.read, "new": summary.new, "new_versions": summary.new_versions,
            "already_there": summary.already_there, "refused": summary.refused, **summary.refused_by_reason,
            "series": summary.series, "devices_created": summary.devices_created, "first_time": summary.first_time,
            "last_time": summary.last_time, "refused_file": summary.refused_file, "load": summary.load_id,
            "dry_run": dry_run,
        },
    )  # fmt: skip


@click.command(
    "devices",
    help=_(
        "Load a file of devices (CSV, also in gzip or zip, or XLSX): all rows, or none where one is bad; again adds nothing."
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help=_("Read, check and count everything; register and change nothing."))
@click.option("--keep-good", is_flag=True, help=_("Keep the good rows although others are bad."))
def load_devices(file: Path, dry_run: bool, keep_good: bool) -> None:
    with console.progress(_("Loading {file}").format(file=file.name)):
        summary = actions.load_devices(
            path=file, name=file.name, who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(), dry_run=dry_run,
            keep_good=keep_good,
        )  # fmt: skip
    if summary.changed and summary.outcome == DeviceLoad.KEPT:
        with console.progress(_("Computing what follows from it")):
            outbox.deliver_due()
    labels = {
        reason: _("rows refused: {reason}").format(reason=DeviceRefusal(reason).label)
        for reason in summary.refused_by_reason
    }
    console.result(
        {"read": _("rows read"), "new": _("new"), "changed": _("changed"), "unchanged": _("unchanged"),
         "refused": _("rows refused"), "refused_file": _("refused rows are in"), "load": _("load"),
         "outcome": _("outcome"), **labels},
        read=summary.read, new=summary.new, changed=summary.changed, unchanged=summary.unchanged,
        refused=summary.refused, **summary.refused_by_reason, refused_file=summary.refused_file, load=summary.load_id,
        outcome=summary.outcome,
    )  # fmt: skip
    if summary.refused and not keep_good:
        raise actions.refusal(summary, name=file.name)


@click.command("readings", help=_("Write readings to a file: the current ones, or those known at an instant."))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), required=True, help=_("Form of the file."))
@click.option("--serial", help=_("Only this device."))
@click.option("--property", help=_("Only this property, e.g. water_volume."))
@click.option("--from", "start", type=Instant(), help=_("From this date or instant on."))
@click.option("--to", "end", type=Instant(), help=_("Before this date or instant."))
@click.option("--as-of", type=Instant(), help=_("As it was known at this instant."))
def export_readings(
    file: Path, form: str, serial: str | None, property: str | None, start: datetime | None, end: datetime | None,
    as_of: datetime | None,
) -> None:  # fmt: skip
    with console.progress(_("Writing {file}").format(file=file.name)):
        rows = store.export_readings(
            file, "csv" if form == "csv" else "parquet", who=system(f"cli:{console.operator()}"),
            span=span_of(start, end), serial=serial, property=property, as_of=as_of,
        )  # fmt: skip
    console.result({"rows": _("rows"), "file": _("file")}, rows=rows, file=file)


def _chosen(serials: tuple[str, ...], file: Path | None, owner: str, model: str) -> actions.Chosen:
    named = [*serials, *(file.read_text(encoding="utf-8", errors="replace").split() if file is not None else ())]
    return actions.Chosen(tuple(named), owner, model)


def _choosing(command: click.decorators.FC) -> click.decorators.FC:
    """The arguments by which a command is told which devices are meant."""
    for option in (
        click.option("--why", default="", help=_("Reason, for the audit.")),
        click.option("--model", default="", metavar="KEY", help=_("All devices in use of this model.")),
        click.option("--owner", default="", metavar="CODE", help=_("All devices in use of this organisation.")),
        click.option(
            "--serials", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=_("A text file of serials, one a line."),
        ),
        click.argument("serial", nargs=-1),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(
    "issue", help=_("Give devices credentials; the secrets are written to a file once, only hashes are kept.")
)
@_choosing
@click.option("--renew", is_flag=True, help=_("Also those that have one."))
@click.option("--overlap-hours", type=int, default=24, show_default=True, help=_("How long the one before stays good."))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help=_("The file to write; none may be there."),
)
def issue_credentials(
    serial: tuple[str, ...], file: Path | None, owner: str, model: str, why: str, renew: bool, overlap_hours: int, out: Path,
) -> None:  # fmt: skip
    try:
        target = open(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8", newline="")  # noqa: SIM115 - closed below, and removed where nothing was issued
    except OSError as error:
        raise BadInput(
            _("{file} can't be written: {error}.").format(file=out, error=error.strerror),
            fix=_("Name a file that does not exist."),
        ) from None
    try:
        with target:
            issued = actions.issue_credentials(
                _chosen(serial, file, owner, model), who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(),
                renew=renew, overlap_hours=overlap_hours, why=why,
            )  # fmt: skip
            lines = csv.writer(target)
            lines.writerow(("serial", "secret"))
            lines.writerows(issued.secrets)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    console.result(
        {"issued": _("credentials given"), "kept": _("devices that kept theirs"), "file": _("file")},
        issued=len(issued.secrets), kept=issued.kept, file=out,
    )  # fmt: skip


@click.command("end", help=_("End the credentials of devices at once."))
@_choosing
def end_credentials(serial: tuple[str, ...], file: Path | None, owner: str, model: str, why: str) -> None:
    ended = actions.end_credentials(
        _chosen(serial, file, owner, model), who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(), why=why
    )
    console.result({"ended": _("credentials ended")}, ended=ended)


@click.command("check", help=_("Say whether a secret, read from standard input, is good for a device now."))
@click.argument("serial")
def check_credential(serial: str) -> None:
    secret = getpass.getpass(_("Secret: ")) if sys.stdin.isatty() else sys.stdin.readline()
    if store.find_by_credential(serial, secret.strip(), now=SYSTEM_CLOCK.now()) is None:
        raise NotFound(_("This secret is not good for {serial} now.").format(serial=serial[:64]))
    console.result({"serial": _("serial"), "good": _("good")}, serial=serial, good=True)


@click.command(
    "check", help=_("Check a file of a device model: its fields, its units, and what its recorded payloads give.")
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_driver(file: Path) -> None:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadInput(_("{file} is not in UTF-8, line {line}.").format(file=file.name, line=line)) from None
    driver = check(text, file.name)
    shipped = drivers.drivers().get(driver.key)
    if shipped is not None and shipped != driver:
        console.warn(_("Another model with the key {key} ships already.").format(key=driver.key))
    console.result(
        {"key": _("key"), "properties": _("properties"), "payloads": _("payloads")},
        key=driver.key, properties=[one.name for one in driver.property], payloads=len(driver.payload),
    )  # fmt: skip


def prepare() -> None:
    """What a data folder needs of devices: no load of a dead process is shown as running, all are found by search."""
    actions.fail_interrupted_loads(now=SYSTEM_CLOCK.now())
    actions.index_loads()


export_devices = export_command(store.DEVICES, _("Write the registry of devices to a CSV or XLSX file."))
export_loads = export_command(store.LOADS, _("Write the list of loads of readings to a CSV or XLSX file."))
export_device_loads = export_command(store.DEVICE_LOADS, _("Write the list of files of devices to a CSV or XLSX file."))
export_models = export_command(store.MODELS, _("Write the list of device models to a CSV or XLSX file."))
