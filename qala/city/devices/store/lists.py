"""The lists of devices, as they are declared: registry, models, loads, what was refused."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from qala import drivers
from qala.city.people.public import list_organisations
from qala.city.places.public import list_places
from qala.kernel.lists import Choice, Column, List, Look, Sort, choice, day, flag, kept

from ..models import Device, DeviceLoad, DeviceRefusal, Load, RefusalReason
from .device_loads import refused_devices_path, visible_device_loads
from .registry import count_by_model, refused_path, visible_loads, visible_to
from .silence import expected_minutes, is_silent, silent_at

DEVICE_STATES = {Device.REGISTERED: _("registered"), Device.ACTIVE: _("reporting"), Device.RETIRED: _("removed")}
LOAD_STATES = {Load.DONE: _("done"), Load.RUNNING: _("in progress"), Load.FAILED: _("failed")}
OUTCOMES = {DeviceLoad.KEPT: _("kept"), DeviceLoad.TRIED: _("only tried"), DeviceLoad.REFUSED: _("nothing kept")}
MOST_REFUSED = 20_000  # rows of one file that its page looks through; the file that may be saved holds all


def _of(states: dict[str, Any]) -> Callable[[Look], Sequence[Choice]]:
    return lambda _look: [Choice(key, title) for key, title in states.items()]


def model_titles() -> dict[str, str]:
    """Titles of the known models in the active language, by key."""
    language = get_language() or "en"
    return {key: driver.title(language) for key, driver in drivers.drivers().items()}


def _model_title(device: Device) -> str:
    driver = drivers.drivers().get(device.model)
    return driver.title(get_language() or "en") if driver else device.model


def _models(_look: Look) -> Sequence[Choice]:
    return [Choice(key, title) for key, title in sorted(model_titles().items(), key=lambda pair: pair[1])]


def _owners(_look: Look) -> Sequence[Choice]:
    return [Choice(one.code, one.name) for one in list_organisations()]


def _districts(look: Look) -> Sequence[Choice]:
    return [Choice(one.code, one.name) for one in list_places("district", who=look.who)]


def _all_devices(look: Look) -> Any:
    look.who.require("devices.view")
    return visible_to(look.who)


def _with_silence(rows: list[Device], look: Look) -> list[Device]:
    for row in rows:
        row.silent = is_silent(row, now=look.now)
    return rows


def _state_word(device: Device) -> Any:
    return _("silent device") if device.silent else DEVICE_STATES[device.state]


DEVICES = List(
    "devices",
    _("Devices"),
    _all_devices,
    columns=(
        Column("serial", _("Serial"), lambda row: row.serial, mono=True,
               link=lambda row: reverse("devices:device", args=[row.serial])),
        Column("state", _("State"), _state_word, cell="devices/cells/state.html"),
        Column("model", _("Model"), _model_title),
        Column("model_key", _("Key of the model"), lambda row: row.model, shown=False, mono=True),
        Column("owner", _("Owner"), lambda row: row.owner.name if row.owner else None),
        Column("owner_code", _("Code of the owner"), lambda row: row.owner.code if row.owner else None, shown=False, mono=True),
        Column("district", _("District"), lambda row: row.district.name if row.district else None),
        Column("district_code", _("Code of the district"), lambda row: row.district.code if row.district else None,
               shown=False, mono=True),
        Column("last_seen", _("Last reading"), lambda row: row.last_seen_at, "instant"),
        Column("meter_point", _("Meter point"), lambda row: row.meter_point, shown=False, mono=True),
        Column("address", _("Address"), lambda row: row.address, shown=False),
        Column("lon", _("Longitude"), lambda row: row.lon, "number", shown=False),
        Column("lat", _("Latitude"), lambda row: row.lat, "number", shown=False),
        Column("digits", _("Digits of the register"), lambda row: row.digits, "number", shown=False),
        Column("multiplier", _("Multiplier"), lambda row: row.multiplier.normalize(), "number", shown=False),
        Column("expected_minutes", _("Expected every"), lambda row: expected_minutes(row.model, row.expected_minutes),
               "number", "min", shown=False),
        Column("installed", _("Installed"), lambda row: row.installed_at, "day", shown=False),
        Column("removed", _("Removed"), lambda row: row.removed_at, "day", shown=False),
    ),
    sorts=(
        Sort("serial", "serial"),
        Sort("state", "state", "serial"),
        Sort("model", "model", "serial"),
        Sort("last_seen", "last_seen_at", "serial", nullable=True),
        Sort("installed", "installed_at", "serial", nullable=True),
    ),
    filters=(
        choice("district", _("District"), _districts, "district__code"),
        choice("model", _("Model"), _models),
        choice("owner", _("Owner"), _owners, "owner__code"),
        choice("state", _("State"), _of(DEVICE_STATES)),
        flag("silent", _("silent only"), lambda rows, _value, look: rows.filter(silent_at(look.now))),
    ),
    searched="device",
    dressed=lambda rows, _look: rows.select_related("owner", "district"),
    finished=_with_silence,
)  # fmt: skip


def _all_loads(look: Look) -> Any:
    look.who.require("devices.load")
    return visible_loads(look.who)


LOADS = List(
    "loads",
    _("Loads"),
    _all_loads,
    columns=(
        Column("file", _("File"), lambda row: row.file_name, link=lambda row: reverse("devices:load", args=[row.pk])),
        Column("state", _("State"), lambda row: LOAD_STATES[row.state], cell="devices/cells/load_state.html"),
        Column("began", _("Began"), lambda row: row.started_at, "instant"),
        Column("finished", _("Finished"), lambda row: row.finished_at, "instant", shown=False),
        Column("read", _("Rows read"), lambda row: row.rows_read, "number"),
        Column("new", _("New"), lambda row: row.rows_new, "number"),
        Column("new_versions", _("New versions"), lambda row: row.rows_new_version, "number", shown=False),
        Column("already_there", _("Already there"), lambda row: row.rows_already_there, "number", shown=False),
        Column("refused", _("Rows refused"), lambda row: row.rows_refused, "number"),
        Column("devices_created", _("Devices created"), lambda row: row.devices_created, "number", shown=False),
        Column("profile", _("Profile"), lambda row: row.profile, shown=False, mono=True),
        Column("by", _("By"), lambda row: row.who_name),
        Column("error", _("What went wrong"), lambda row: row.error, shown=False),
    ),
    sorts=(Sort("began", "started_at", "id"),),
    order="-began",
    filters=(
        choice("state", _("State"), _of(LOAD_STATES)),
        flag("refused", _("with refused rows only"), lambda rows, _value, _look: rows.filter(rows_refused__gt=0)),
        day("from", _("First day"), "started_at"),
        day("to", _("Last day"), "started_at", ends=True),
    ),
    searched="load",
)  # fmt: skip

DEVICE_LOADS = List(
    "device-loads",
    _("Files of devices"),
    lambda look: visible_device_loads(look.who),
    columns=(
        Column("file", _("File"), lambda row: row.file_name,
               link=lambda row: reverse("devices:device_load", args=[row.pk])),
        Column("state", _("State"), lambda row: OUTCOMES[row.outcome], cell="devices/cells/device_load_state.html"),
        Column("began", _("Began"), lambda row: row.at, "instant"),
        Column("read", _("Rows read"), lambda row: row.rows_read, "number", shown=False),
        Column("new", _("New"), lambda row: row.rows_new, "number"),
        Column("changed", _("Changed"), lambda row: row.rows_changed, "number"),
        Column("unchanged", _("Already there"), lambda row: row.rows_unchanged, "number", shown=False),
        Column("refused", _("Rows refused"), lambda row: row.rows_refused, "number"),
        Column("by", _("By"), lambda row: row.who_name),
    ),
    sorts=(Sort("began", "at", "id"),),
    order="-began",
    filters=(
        choice("state", _("State"), _of(OUTCOMES), "outcome"),
        day("from", _("First day"), "at"),
        day("to", _("Last day"), "at", ends=True),
    ),
    searched="device_load",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownModel:
    """A device model in the list of them, with how many devices of it the asker may see."""

    driver: drivers.Driver
    title: str
    count: int
    measured: tuple[tuple[str, str], ...]  # title and unit of each property


def _shown_models(look: Look) -> list[ShownModel]:
    counts, titles = count_by_model(who=look.who), model_titles()
    language = get_language() or "en"
    return [
        ShownModel(
            one, titles[key], counts.get(key, 0),
            tuple((drivers.property_title(part.name, language), part.unit) for part in one.property),
        )
        for key, one in drivers.drivers().items()
    ]  # fmt: skip


COMMODITIES = {
    "water": _("water"), "electricity": _("electricity"), "heat": _("heat"), "gas": _("gas"), "none": _("none of these"),
}  # fmt: skip

MODELS = List(
    "models",
    _("Device models"),
    _shown_models,
    columns=(
        Column("model", _("Model"), lambda row: row.title,
               link=lambda row: reverse("devices:model", args=[row.driver.key])),
        Column("key", _("Key"), lambda row: row.driver.key, mono=True),
        Column("maker", _("Maker"), lambda row: row.driver.maker, shown=False),
        Column("measures", _("Measures"), lambda row: "; ".join(f"{title} ({unit})" for title, unit in row.measured),
               cell="devices/cells/measures.html"),
        Column("commodity", _("What flows through"), lambda row: COMMODITIES[row.driver.commodity], shown=False),
        Column("devices", _("Devices"), lambda row: row.count, "number"),
    ),
    sorts=(
        Sort("model", key=lambda row: row.title.casefold()),
        Sort("key", key=lambda row: row.driver.key),
        Sort("devices", key=lambda row: (row.count, row.driver.key)),
    ),
    filters=(
        choice("commodity", _("What flows through"), _of(COMMODITIES),
               kept(lambda row, value: row.driver.commodity == value)),
        flag("used", _("in use only"), kept(lambda row, _value: row.count > 0)),
    ),
)  # fmt: skip


def _first_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(islice(csv.DictReader(file), MOST_REFUSED))


def _refused(key: str, reasons: Any, rows: Callable[[Look], list[dict[str, Any]]], *own: Column) -> List:
    """The refused rows of one file, which is what the look is of."""
    titles = dict(reasons.choices)
    return List(
        key,
        _("Refused rows"),
        rows,
        columns=(
            Column("line", _("Line"), lambda row: int(row["line"]), "number"),
            *own,
            Column("reason", _("Reason"), lambda row: titles.get(row["reason"], row["reason"])),
            Column("content", _("As it came"), lambda row: row["content"], mono=True),
        ),
        sorts=(
            Sort("line", key=lambda row: int(row["line"])),
            Sort("reason", key=lambda row: (row["reason"], int(row["line"]))),
        ),
        filters=(choice("reason", _("Reason"), _of(titles), kept(lambda row, value: bool(row["reason"] == value))),),
    )


REFUSED_READINGS = _refused("refused-readings", RefusalReason, lambda look: _first_rows(refused_path(look.of)))
REFUSED_DEVICES = _refused(
    "refused-devices", DeviceRefusal, lambda look: _first_rows(refused_devices_path(look.of.pk)),
    Column("serial", _("Serial"), lambda row: row["serial"], mono=True),
)  # fmt: skip
