"""The reference pages of the documentation, written from the code itself: ``docs/reference/*.md``.

``python tools/docs_reference.py`` writes them, ``--check`` fails where one is stale or something has no words, and
``--names`` prints what each page must name as JSON. What the code cannot say of itself (columns of the lake's tables,
fields of a profile) has its words here; a missing one is a fault.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"

# What the columns of the lake's tables hold.
COLUMNS = {
    "readings": {
        "series": "Number of the series: (serial, property) of a device; the records know which.",
        "t": "Instant of the measurement, UTC.",
        "value": "Whole number of the register's last digit: `value × 10^exponent` in the series' unit; the exponent "
        "stands on the series.",
        "quality": "Letter of quality as it was sent: A, S, E, F or N.",
        "received_at": "When this version came, UTC. The current version is the one received last.",
        "source": "Where it came from, e.g. `load:` and the id of the load.",
    },
    "refusals": {
        "source": "Where it came from, e.g. `load:` and the id of the load.",
        "line": "Line of the file, counted from 1 with the header.",
        "serial": "Serial as it stood in the row, where it could be read.",
        "t": "Instant of the row, UTC, where it could be read.",
        "content": "The row as it came, its first 300 characters.",
        "reason": "Why it was refused; see the reasons of refusal.",
        "received_at": "When it was refused, UTC.",
    },
    "intervals": {
        "series": "Number of the series whose register this is.",
        "start_at": "Start of the interval, on the hour, UTC; it belongs to the interval.",
        "end_at": "End of the interval, on the hour, UTC; it does not belong to it. More than an hour later where hours "
        "are missing.",
        "value": "Consumption: `value × 10^exponent` in the series' unit, the device's multiplier included.",
        "exponent": "Power of ten that `value` counts in.",
        "quality": "A actual, E only the total of missing hours is known, N no consumption.",
        "method": "`interpolated`, `gap_total`, `register_fault`, or `withdrawn` where no interval begins any more.",
        "flags": "Bits of what happened between: 1 missing, 2 fall, 4 jump.",
        "computed_at": "When this version was computed, UTC. The current version is the one computed last.",
    },
    "measures": {
        "measure": "Name of the measure.",
        "subject": "What the value is about, e.g. the id of a place.",
        "period_start": "First instant of the period, UTC.",
        "grain": "Length of the period: hour, day, week, month or year, in the city's zone.",
        "dimensions": "Further keys of the value as JSON text; `{}` where there are none.",
        "value": "The value in the measure's unit; null where it was withdrawn.",
        "n": "How many things (meters, answers) it rests on.",
        "lower": "Lower bound of what it could be.",
        "upper": "Upper bound of what it could be.",
        "version": "Version of the calculation.",
        "computed_at": "When it was computed, UTC. The current value is the one computed last.",
        "provenance": "What it was computed from, in words.",
        "publishable": "Whether it counts enough things to be published at all.",
    },
}

# What each field of a profile means; the words of whoever writes one.
PROFILE = {
    "title": "What kind of file this is, for people.",
    "format": "`csv` (plain, gzip or a zip of one file) or `parquet`.",
    "delimiter": "One character between the cells of a CSV file.",
    "encoding": "Encoding of a CSV file, a name that Python knows: `utf-8`, `utf-16`, `cp1251` …",
    "header": "Whether the first line of a CSV file names the columns. Without it, columns are numbers from 1.",
    "decimal": "Decimal sign of values: `.` or `,`.",
    "columns": "Table `[columns]`: which column holds which field, see below.",
    "time_format": "`rfc3339`, `epoch_s`, `epoch_ms`, or a strptime pattern such as `%d/%m/%Y %H:%M:%S`.",
    "zone": "IANA zone of local times without offset. The repeated hour at the end of summer time is told apart by order "
    "in the file: within it, a meter's time that does not go on belongs to the second pass.",
    "unit": "Unit of the values, unless a column says it. It is converted exactly; see the units.",
    "property": "What is measured, unless a column says it, or the device has just one series.",
    "quality": "Letter of quality of the values, unless a column says it.",
    "unknown": "What to do with serials that no device has: `refuse` the row, or `create` the device.",
    "model": "Model of the devices that are created.",
    "owner": "Code of the organisation that owns created devices. Unset: nobody's, and then only somebody who may manage "
    "devices of the whole city may load the file.",
    "not_before": "Times before this are refused as absurd.",
}
PROFILE_COLUMNS = {
    "serial": "Serial of the device.",
    "time": "Time of the reading.",
    "value": "The value.",
    "property": "What is measured.",
    "unit": "Unit of the value.",
    "quality": "Letter of quality: A, S, E, F or N.",
}
DRIVER = {
    "key": "Name of the model in profiles and lists.",
    "maker": "Who makes it.",
    "commodity": "What it meters.",
    "title_kk": "Name in Kazakh.",
    "title_ru": "Name in Russian.",
    "title_en": "Name in English.",
    "cannot_kk": "What the model cannot do, in Kazakh, for the person who wonders why something is missing.",
    "cannot_ru": "The same in Russian.",
    "cannot_en": "The same in English.",
    "digits": "How many digits the register has.",
    "property": "Tables `[[property]]`: what it measures, see below.",
    "payload": "Tables `[[payload]]`: payloads that a device really sent, see below.",
}
DRIVER_PAYLOAD = {
    "body": "The payload as it came, JSON.",
    "values": "Table `[payload.values]`: what it means, property by property, in the property's unit.",
}
DRIVER_PROPERTY = {
    "name": "Name of the property, e.g. `water_volume`.",
    "kind": "`register` (counts up), `interval` (use since the last) or `instant`.",
    "unit": "Inside unit of the values.",
    "exponent": "Values are whole numbers of `10^exponent` of that unit: -3 with `m3` is litres.",
    "expected_interval_minutes": "How often a working device reports. It counts as silent after that and a margin: a twelfth "
    "of it, two hours at least.",
    "max_per_hour": "The most that can pass in an hour, in `unit`. Beyond it a register has jumped. Unset: no jump is "
    "ever seen.",
    "path": "JSON pointer (RFC 6901) of the value in a payload. Unset: `/` and the name.",
    "sent_unit": "Unit in which a payload gives the value; it is converted exactly. Unset: `unit`.",
}
ENVIRONMENT = {
    "QALA_CONFIG": "Path of the TOML file. Unset: `qala.toml` in the data folder.",
    "QALA_SECRETS_DIR": "Folder with one file a secret, named like the variable in small letters, e.g. "
    "`qala_secret_key`.",
}


class Undocumented(Exception):
    """Something that the code declares has no words."""


def words(where: str, text: object) -> str:
    """``text`` on one line.

    Raises:
        Undocumented: it is empty.
    """
    found = " ".join(str(text or "").split())
    if not found:
        raise Undocumented(f"{where} has no description")
    return found


def rst_to_md(text: str) -> str:
    """Docstrings say ``code`` with two backticks, Markdown with one."""
    return re.sub(r"``(.+?)``", r"`\1`", text)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def line(cells: Iterable[object]) -> str:
        return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", str(cell)) for cell in cells) + " |"

    return "\n".join([line(titles), "|" + " --- |" * len(titles), *map(line, rows)])


def code(text: object) -> str:
    """Inline code; empty where there is nothing to say."""
    return f"`{text}`" if str(text) else ""


def first_paragraph(where: str, thing: object) -> str:
    return rst_to_md(words(where, (inspect.getdoc(thing) or "").partition("\n\n")[0]))


class Page:
    """A page of the reference: its text, and the names that must stand on it."""

    def __init__(self, title: str, lead: str) -> None:
        self.title, self.lead = title, lead
        self.parts: list[str] = []
        self.names: list[str] = []

    def add(self, *parts: str) -> None:
        self.parts += parts

    def text(self) -> str:
        mark = "<!-- Written by tools/docs_reference.py: change the code, then run it again. -->"
        return "\n\n".join([mark, f"# {self.title}", self.lead, *self.parts]) + "\n"


def settings() -> Page:
    from pydantic_core import PydanticUndefined

    from qala.kernel.config import Settings

    page = Page(
        "Settings",
        "Every setting is a variable `QALA_…` or a line of one TOML file, `qala.toml` in the data folder (another one is "
        "named by `QALA_CONFIG`). In the file the name is written in small letters without `QALA_`: `port = 8000`. "
        "Where several say something, the first of these counts: variable, secret file, TOML file, default. "
        "An unknown name in the file, or a wrong value anywhere, stops every command and is named. Only `data_dir` can't be a "
        "line of the file: it is given as `--data-dir` or `QALA_DATA_DIR`.",
    )
    rows: list[Sequence[object]] = []
    for name, field in Settings.model_fields.items():
        variable = f"QALA_{name.upper()}"
        page.names.append(variable)
        kind = str(field.annotation)
        if "SecretStr" in kind:
            shown = "secret"
        elif "Literal" in kind:
            shown = " or ".join(f"`{one}`" for one in re.findall(r"'([^']+)'", kind))
        elif "list" in kind:
            shown = "list"
        elif "Path" in kind:
            shown = "path"
        else:
            shown = {"int": "whole number", "float": "number"}.get(getattr(field.annotation, "__name__", ""), "text")
        bounds = []
        for limit in field.metadata:
            for sign, mark in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
                if getattr(limit, sign, None) is not None:
                    bounds.append(f"{mark} {getattr(limit, sign)}")
        if bounds:
            shown += f" ({', '.join(bounds)})"
        default = field.default
        if default is PydanticUndefined:
            default = field.default_factory() if field.default_factory else ""  # type: ignore[call-arg]
        given = "" if default in (None, "", []) else code(default)
        rows.append((code(variable), shown, given, words(variable, field.description)))
    page.add(table(("Variable", "Kind", "Default", "What it does"), rows))
    page.names += ENVIRONMENT
    page.add(
        "Two more are variables only:",
        table(("Variable", "What it does"), ((code(name), said) for name, said in ENVIRONMENT.items())),
    )
    return page


def commands() -> Page:
    import click

    from qala.site.cli import tree

    page = Page(
        "Commands",
        "`qala COMMAND`, or `python -m qala COMMAND` where the package is not installed. Every command takes `--data-dir "
        "DIR` (default `./qala-data`) and `--json`, anywhere on the line, and prepares an empty data folder by itself. "
        'With `--json` it speaks JSON lines: `{"event": …}`, the last one `result` or, on standard error, `error`. '
        "Exit codes: 0 done, 1 a fault of ours or a failed check, 2 refused, 130 interrupted. "
        "The words come in the language of the terminal (`LANG`), where that is Kazakh or Russian.",
    )

    def walk(command: click.Command, path: str) -> None:
        context = click.Context(command, info_name=path)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                if found is not None and not found.hidden:
                    walk(found, f"{path} {name}")
            return
        page.names.append(path)
        shown = [
            one for one in command.params if not (isinstance(one, click.Option) and one.name in ("data_dir", "json"))
        ]
        arguments = [one for one in shown if isinstance(one, click.Argument)]
        options = [one for one in shown if isinstance(one, click.Option)]
        usage = " ".join([path, *(one.make_metavar(context) for one in arguments), *(["[OPTIONS]"] if options else [])])
        page.add(f"## `{path}`", words(path, command.help), f"```text\n{usage}\n```")
        rows: list[Sequence[object]] = []
        for option in options:
            page.names += option.opts
            metavar = "" if option.is_flag else f" {option.make_metavar(context)}"
            default = code(option.default) if option.show_default else ""
            rows.append(
                (code(", ".join(option.opts) + metavar), "yes" if option.required else "", default,
                 words(f"{path} {option.opts[0]}", option.help))
            )  # fmt: skip
        if rows:
            page.add(table(("Option", "Needed", "Default", "What it does"), rows))

    walk(tree(), "qala")
    return page


def api() -> Page:
    from qala.kernel.plug import declared
    from qala.site.api import api as doors

    page = Page(
        "HTTP API",
        "The document itself is at `/api/openapi.json`, a page to try it at `/api/docs`. Times are RFC 3339; answers give "
        "them in UTC. Ranges are half-open: `from` belongs to it, `to` does not. Lists come in pages: while "
        "`next_cursor` (or `next`) is not null, ask again with it. Errors are problem details (RFC 9457), see "
        "[kinds of errors](errors.md). A signed-in session's cookie opens it, or `Authorization: Bearer` with a [token](../howto/people.md).",
    )
    schema = doors.get_openapi_schema()
    overview: list[Sequence[object]] = []
    details: list[str] = []
    for path, methods in sorted(schema["paths"].items()):
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            page.names.append(name)
            summary = words(name, operation.get("summary"))
            public = "everyone" if not operation.get("security") else "signed in, or a token"
            overview.append((code(name), public, summary))
            rows: list[Sequence[object]] = []
            for one in operation.get("parameters", ()):
                about = one["schema"]
                kinds = [about, *about.get("anyOf", ())]
                kind = next((k.get("format") or k.get("type") for k in kinds if k.get("type", "null") != "null"), "")
                limits = [
                    f"{sign} {k[key]}" for k in kinds for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in k
                ]
                choices = [c for k in kinds for c in k.get("enum", ())]
                said = one.get("description") or about.get("description") or PARAMETERS.get(one["name"], "")
                rows.append(
                    (code(one["name"]), ", ".join([str(kind), *limits]) if not choices else " or ".join(map(code, choices)),
                     code(about["default"]) if about.get("default") not in (None, "") else "",
                     words(f"{name} parameter {one['name']}", said))
                )  # fmt: skip
            details.append(f"## `{name}`")
            details.append(" ".join(filter(None, (f"{summary}.", words_or_nothing(operation.get("description"))))))
            if rows:
                details.append(table(("Parameter", "Kind", "Default", "What it does"), rows))
            answers: dict[Any, Any] = operation["responses"]
            content: dict[str, Any] = (answers.get(200) or answers.get("200") or {}).get("content", {})
            shape: dict[str, Any] = next(iter(content.values()), {})
            fields = fields_of(schema, shape.get("schema", {}))
            if fields:
                details.append("Fields of an item: " + ", ".join(map(code, fields)) + ".")
    page.add(table(("Operation", "Who may ask", "What it does"), overview), *details)
    rows = []
    for stream in declared("streams"):
        page.names.append(f"/sse/{stream.name}/")
        from qala.kernel.plug import load

        rows.append(
            (code(f"GET /sse/{stream.name}/ARGUMENT"), first_paragraph(f"stream {stream.name}", load(stream.snapshot)))
        )
    page.add(
        "## Event streams",
        "Server-sent events: one JSON message now, and one whenever it changes (looked at once a second). A comment comes "
        "every 15 seconds while nothing changes.",
        table(("Stream", "What it tells"), rows),
    )
    return page


# Words for parameters that stand in many operations.
PARAMETERS = {
    "serial": "Only this device.",
    "property": "Only this property, e.g. `water_volume`.",
    "from": "From this instant on.",
    "to": "Before this instant.",
    "as_of": "As it was known at this instant.",
    "cursor": "`next_cursor` of the page before.",
    "limit": "Most rows of a page.",
    "query": "Pieces of serial or model.",
    "state": "`registered`, `active` or `retired`.",
    "model": "Key of a device model.",
    "owner": "Code of an organisation.",
    "district": "Code of a district.",
    "kind": "Only places of this kind.",
    "code": "Its code.",
    "person": "Id of the person.",
    "member": "Id of the membership.",
    "number": "Its number, e.g. `2026-000042`.",
    "membership": "Id of what `roles` of the person names.",
    "key": "Key of the role.",
    "token": "Id of the token.",
}


def words_or_nothing(text: object) -> str:
    return rst_to_md(" ".join(str(text or "").split()))


def fields_of(schema: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Names of the fields of the items that an answer holds, or of the answer where it is no list."""
    while "$ref" in found:
        found = schema["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    items = found.get("properties", {}).get("items", {}).get("items")
    return fields_of(schema, items) if items else list(found.get("properties", {}))


def measures() -> Page:
    from qala.kernel.plug import declared

    page = Page(
        "Measures",
        "Named series of values that indicators, pilots and decisions read, kept in the lake's table "
        "[`measures`](lake.md). A name ends in its unit. Periods begin at the city's midnight.",
    )
    for one in declared("measures"):
        page.names.append(one.name)
        page.add(
            f"## `{one.name}`",
            f"**{words(one.name, one.title)}**, {code(one.unit)}. {words(one.name, one.description)}",
            f"By {one.subject} and {', '.join(one.grains)}"
            + (f", with the dimensions {', '.join(map(code, one.dimensions))}" if one.dimensions else "")
            + f". Values of parts {'add' if one.additive else 'do not add'} up to the whole's. Least count that may be "
            f"published: {one.minimum_count}. Version of the calculation: {one.version}.",
        )
    return page


def events() -> Page:
    from qala.kernel.plug import declared

    page = Page(
        "Events",
        "News that a matter writes with the change that it tells of, and that other matters hear. Each is delivered at "
        "least once to everyone who hears it; who fails is tried again with growing waits, twelve times.",
    )
    heard: dict[str, list[str]] = {}
    for one in declared("heard"):
        heard.setdefault(one.event, []).append(one.handler)
    rows: list[Sequence[object]] = []
    for one in declared("told"):
        page.names.append(one.event)
        rows.append(
            (code(one.event), words(one.event, one.payload), ", ".join(code(path.split(".")[2]) for path in heard.get(one.event, ())) or "nobody yet")
        )  # fmt: skip
    page.add(table(("Event", "What its payload holds", "Heard by"), rows))
    return page


def permissions() -> Page:
    from qala.city.people.actions import DEFAULT_ROLES
    from qala.city.people.rules import ADMINISTRATOR
    from qala.kernel.plug import declared, plugs

    page = Page(
        "Permissions and roles",
        "A permission is a word that a matter declares. A role is a bundle of permissions, kept as data: a city may change "
        "it, and what it took away is not given back by an update. A person holds a role in one organisation or in the "
        "whole city; see [who may see what](../explanation/access.md).",
    )
    rows: list[Sequence[object]] = []
    for one in declared("permissions"):
        page.names.append(one.key)
        reach = "rows of the organisation" if one.scoped else "everywhere, wherever it is held"
        rows.append((code(one.key), words(one.key, one.title), reach))
    page.add(table(("Permission", "What it allows", "Reaches, held in one organisation"), rows))
    offered: dict[str, set[str]] = {key: set() for key in DEFAULT_ROLES}
    for plug in plugs():
        for role, granted in plug.grants.items():
            offered[role].update(granted)
    page.add("## Default roles")
    rows = []
    for key, (title_kk, title_ru, title_en) in DEFAULT_ROLES.items():
        page.names.append(key)
        held = "all, always" if key == ADMINISTRATOR else ", ".join(map(code, sorted(offered[key]))) or "none yet"
        rows.append((code(key), title_kk, title_ru, title_en, held))
    page.add(table(("Role", "қазақша", "по-русски", "in English", "Permissions it starts with"), rows))
    return page


def jobs() -> Page:
    from qala.kernel.plug import declared, load

    page = Page(
        "Jobs",
        "Background work that the worker of `qala up` runs, one job after the other. A recurring job is queued once a turn, "
        "however many workers there are, and not while its last turn still waits or runs.",
    )
    rows: list[Sequence[object]] = []
    for one in declared("jobs"):
        page.names.append(one.name)
        every = "when asked for"
        if one.every is not None:
            minutes = one.every.total_seconds() / 60
            every = (
                "every minute"
                if minutes == 1
                else f"every {minutes:g} minutes"
                if minutes < 60
                else f"every {minutes / 60:g} hours"
            )
        said = f"{words(one.name, one.title)}. {first_paragraph(one.name, load(one.run))}"
        rows.append((code(one.name), every, said))
    page.add(table(("Job", "When", "What it does"), rows))
    return page


def lake() -> Page:
    from qala.kernel.plug import declared

    page = Page(
        "Tables of the lake",
        "Parquet files in `lake/` of the data folder, behind a catalogue (`catalogue.sqlite`, or PostgreSQL). Instants are "
        "`TIMESTAMP` in UTC. Rows are only ever added: the current version of a thing is its latest. Read them through "
        "`qala export` or the API; files of your own beside them are deleted as orphans. A table "
        "`lake_tables` holds the version of each table, by which an update migrates it forward.",
    )
    for one in declared("lake_tables"):
        page.names.append(one.name)
        said = COLUMNS.get(one.name, {})
        where = f"column {one.name}.{{}} (COLUMNS in tools/docs_reference.py)"
        columns = [*one.columns, *((name, "") for name in upgraded(one.upgrades))]
        gone = sorted(set(said) - {name for name, _kind in columns})
        if gone:
            raise Undocumented(f"COLUMNS tells of columns that {one.name} has not: {', '.join(gone)}")
        rows = [(code(name), code(kind), words(where.format(name), said.get(name))) for name, kind in columns]
        page.names += [name for name, _kind in columns]
        laid = []
        if one.partitioned_by:
            laid.append("partitioned by " + ", ".join(map(code, one.partitioned_by)))
        if one.sorted_by:
            laid.append("sorted by " + ", ".join(map(code, one.sorted_by)))
        page.add(
            f"## `{one.name}`",
            f"Version {one.version}" + (f", {'; '.join(laid)}." if laid else "."),
            table(("Column", "Type", "What it holds"), rows),
        )
    return page


def upgraded(statements: Iterable[str]) -> list[str]:
    """Columns that upgrades of a table add."""
    return [found[1] for one in statements if (found := re.search(r"ADD COLUMN (?:IF NOT EXISTS )?(\w+)", one, re.I))]


def refusals() -> Page:
    from qala.city.devices.models import DeviceRefusal, OccupancyRefusal, RefusalReason
    from qala.city.works.models import AssetRefusal

    page = Page(
        "Reasons of refusal",
        "Why a row of a loaded file was not taken. The file of refused rows holds the line, the reason's key and the row; "
        "the page of a load counts them by reason.",
    )
    rows: list[Sequence[object]] = []
    for one in RefusalReason:
        page.names.append(one.value)
        rows.append((code(one.value), words(one.value, one.label)))
    page.add("## Files of readings", table(("Reason", "What it means"), rows))
    rows = []
    for other in DeviceRefusal:
        page.names.append(other.value)
        rows.append((code(other.value), words(other.value, other.label)))
    page.add("## Files of devices", table(("Reason", "What it means"), rows))
    rows = []
    for third in OccupancyRefusal:
        page.names.append(third.value)
        rows.append((code(third.value), words(third.value, third.label)))
    page.add("## Files of occupancies", table(("Reason", "What it means"), rows))
    rows = []
    for last in AssetRefusal:
        page.names.append(last.value)
        rows.append((code(last.value), words(last.value, last.label)))
    page.add("## Files of assets", table(("Reason", "What it means"), rows))
    return page


def profiles() -> Page:
    from pydantic_core import PydanticUndefined

    from qala.city.devices.rules import Columns, Profile
    from qala.city.devices.store import list_profiles

    page = Page(
        "Profiles of files",
        "A profile says what the columns of a file of readings mean. It is a TOML file; a line that it does not know is "
        "refused. How to write one: [Write a profile](../howto/profile.md).",
    )

    def rows(model: Any, said: dict[str, str], where: str) -> list[tuple[str, str, str]]:
        found = []
        for name, field in model.model_fields.items():
            page.names.append(name)
            default = "needed" if field.is_required() else ""
            if field.default not in (None, "", PydanticUndefined):
                given = field.default
                shown = (
                    given.isoformat()
                    if hasattr(given, "isoformat")
                    else str(given).lower()
                    if isinstance(given, bool)
                    else given
                )
                default = code(shown)
            found.append((code(name), default, words(f"{where} {name} (in tools/docs_reference.py)", said.get(name))))
        return found

    page.add(table(("Field", "Default", "What it means"), rows(Profile, PROFILE, "profile field")))
    page.add(
        "## `[columns]`",
        "Each is the name of a column, or its number from 1 in a file without header.",
        table(("Field", "Default", "What the column holds"), rows(Columns, PROFILE_COLUMNS, "profile column")),
        "## Profiles that ship",
    )
    for name, profile in list_profiles().items():
        page.names.append(name)
        file = ROOT / "qala" / "city" / "devices" / "profiles" / f"{name}.toml"
        page.add(
            f"### `{name}`",
            f"{words(name, profile.title)}.",
            f"```toml\n{file.read_text(encoding='utf-8').strip()}\n```",
        )
    return page


def models() -> Page:
    from pydantic_core import PydanticUndefined

    from qala.drivers import Driver, Payload, Property, drivers

    page = Page(
        "Device models",
        "A model of a device is a TOML file, in `qala/drivers/models/` or in the folder `drivers` of the data folder: what it measures, in which unit, how fine, and how much can "
        "pass at most. No code belongs to it.",
    )
    for model, said, title in ((Driver, DRIVER, ""), (Property, DRIVER_PROPERTY, "## `[[property]]`"),
                               (Payload, DRIVER_PAYLOAD, "## `[[payload]]`")):  # fmt: skip
        rows: list[Sequence[object]] = []
        for name, field in model.model_fields.items():
            page.names.append(name)
            default = (
                "needed"
                if field.is_required()
                else ""
                if field.default in (None, PydanticUndefined)
                else code(field.default)
            )
            rows.append(
                (code(name), default, words(f"driver field {name} (in tools/docs_reference.py)", said.get(name)))
            )
        page.add(*filter(None, (title, table(("Field", "Default", "What it means"), rows))))
    rows = []
    for driver in drivers().values():
        page.names.append(driver.key)
        for one in driver.property:
            most = f"{one.max_per_hour:f} {one.unit}" if one.max_per_hour is not None else "no limit"
            rows.append(
                (code(driver.key), driver.title_en, code(one.name), f"{one.kind}, 10^{one.exponent} {one.unit}", most,
                 words(driver.key, driver.cannot_en))
            )  # fmt: skip
    page.add(
        "## Models that ship",
        table(("Model", "What it is", "Property", "Counts", "Most an hour", "What it can't do"), rows),
    )
    return page


def units() -> Page:
    from qala.kernel.units import _ALIASES, _UNITS, INSIDE

    page = Page(
        "Quantities and units",
        "Each quantity has one inside unit, in which values are kept. Other units are converted at the edge, by exact "
        "fractions. A unit is written by its code here, its UCUM code, or one of the other spellings.",
    )
    rows: list[Sequence[object]] = []
    for quantity, inside in INSIDE.items():
        page.names.append(quantity)
        others = []
        for one in _UNITS:
            if one.quantity == quantity and one.code != inside:
                page.names.append(one.code)
                others.append(code(one.code))
        rows.append((quantity.replace("_", " "), code(inside), ", ".join(others)))
        page.names[-1 - len(others)] = quantity.replace("_", " ")
    page.add(table(("Quantity", "Inside unit", "Also understood"), rows))
    spelled: dict[str, list[str]] = {}
    for one in _UNITS:
        if one.ucum != one.code:
            spelled.setdefault(one.code, []).append(one.ucum)
    for alias, to in _ALIASES.items():
        spelled.setdefault(to, []).append(alias)
    page.add(
        "## Other spellings",
        table(
            ("Unit", "Also written"), ((code(to), ", ".join(map(code, all_))) for to, all_ in sorted(spelled.items()))
        ),
    )
    return page


def errors() -> Page:
    from qala.kernel import errors as domain

    page = Page(
        "Kinds of errors",
        "What goes wrong is told the same way everywhere. Over HTTP as problem details (RFC 9457): `type` is "
        "`urn:qala:problem:KIND`, `title` and `detail` are for people, `fix` says what to do, `rows` names further places "
        "of the same fault (100 at most, `more_rows` counts the rest). A command says the same on standard error and ends "
        "with exit code 2.",
    )
    rows: list[Sequence[object]] = []
    for _name, one in inspect.getmembers(domain, inspect.isclass):
        if issubclass(one, domain.QalaError) and one is not domain.QalaError:
            page.names.append(one.kind)
            rows.append((code(one.kind), one.status, first_paragraph(one.kind, one)))
    house = (
        ("bad-request", 400, "The server could not make sense of the request."),
        ("csrf", 403, "A form that is too old or came from elsewhere."),
        ("too-many", 429, "Too many requests; `Retry-After` says when to come back."),
        ("fault", 500, "A fault of ours. It was written down; nothing was half-written."),
        ("usage", 400, "A command was called in a way that it does not know (commands only)."),
    )
    page.names += [row[0] for row in house]
    rows += [(code(kind), status, said) for kind, status, said in house]
    page.add(table(("Kind", "HTTP status", "What it means"), sorted(rows, key=lambda row: (row[1], row[0]))))
    return page


def watching() -> Page:
    from prometheus_client.metrics import MetricWrapperBase

    from qala.site import metrics

    page = Page(
        "Metrics",
        "What `/metrics` tells, in Prometheus' text form, summed over the processes of `qala up`. How to read it: "
        "[Watch over it](../howto/watch.md).",
    )
    rows: list[tuple[str, str, str, str]] = []
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            name = str(one._name) + ("_total" if one._type == "counter" else "")
            rows.append((name, str(one._type), ", ".join(map(code, one._labelnames)), words(name, one._documentation)))
    source = inspect.getsource(metrics.House)
    for kind, name, said in re.findall(r'(Gauge|Counter)MetricFamily\("(\w+)", "([^"]+)"', source):
        labels = re.search(rf'"{name}".*?labels=\[([^\]]*)\]', source.replace("\n", " "))
        within = labels[1] if labels and name in ("qala_part_up", "qala_part_restarts", "qala_outbox") else ""
        full = name + ("_total" if kind == "Counter" else "")
        rows.append((full, kind.lower(), ", ".join(code(x.strip(' "')) for x in within.split(",") if x.strip()), said))
    page.names += [row[0] for row in rows]
    page.add(table(("Metric", "Kind", "Labels", "What it tells"), ((code(row[0]), *row[1:]) for row in sorted(rows))))
    return page


PAGES: dict[str, Callable[[], Page]] = {
    "settings": settings,
    "commands": commands,
    "api": api,
    "profiles": profiles,
    "refusals": refusals,
    "models": models,
    "units": units,
    "measures": measures,
    "lake": lake,
    "permissions": permissions,
    "events": events,
    "jobs": jobs,
    "errors": errors,
    "metrics": watching,
}


def prepare() -> None:
    """Set Django up as for a new city, whatever the variables of this shell say; nothing is written."""
    for name in [name for name in os.environ if name.startswith("QALA_") or name == "PROMETHEUS_MULTIPROC_DIR"]:
        del os.environ[name]
    os.environ["QALA_DATA_DIR"] = str(Path(tempfile.gettempdir()) / "qala-docs-has-no-data-folder")
    os.environ["DJANGO_SETTINGS_MODULE"] = "qala.site.settings"
    sys.path.insert(0, str(ROOT))
    import django
    from django.utils import translation

    django.setup()
    translation.activate("en")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--check", action="store_true", help="write nothing; fail where a page is stale")
    asked.add_argument("--names", action="store_true", help="print what each page must name, as JSON")
    asked.add_argument("--into", type=Path, default=REFERENCE, help="folder of the pages")
    given = asked.parse_args()
    prepare()
    found: dict[str, Page] = {}
    faults: list[str] = []
    for name, make in PAGES.items():
        try:
            found[name] = make()
        except Undocumented as fault:
            faults.append(f"{name}.md: {fault}")
    if given.names:
        print(json.dumps({name: page.names for name, page in found.items()}, ensure_ascii=False))
        return 1 if faults else 0
    for name, page in found.items():
        path = given.into / f"{name}.md"
        before, now = path.read_text(encoding="utf-8") if path.exists() else "", page.text()
        if before == now:
            continue
        if given.check:
            faults.append(f"{name}.md is stale: run python tools/docs_reference.py")
            lines = difflib.unified_diff(
                before.splitlines(), now.splitlines(), "as it is", "as it should be", "", "", 0, ""
            )
            faults += [f"  {line[:200]}" for line in list(lines)[2:12]]
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(now, encoding="utf-8")
            print(f"wrote {name}.md")
    for line in faults:
        print(line, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
