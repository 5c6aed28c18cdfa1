"""The console's page of how the city runs: its health in words, its work in the background, what it takes on disk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from qala.kernel import work
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.config import Settings
from qala.kernel.errors import NotFound
from qala.site import health
from qala.site.backup import daily
from qala.site.doctor import OLD_BACKUP
from qala.site.formats.text import bytes_text, moment_text, when_text
from qala.site.status import disk_free, sizes

AT_ONCE, MOST = 50, 1000  # jobs, and news, that the page shows
SHOWN = ("failed", "running", "waiting", "done")


@require_safe
def operation_page(request: HttpRequest) -> HttpResponse:
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    who.require(work.OPERATE)
    state = request.GET.get("state", "failed")
    state = state if state in SHOWN else "failed"
    asked = request.GET.get("shown", "")
    shown = min(max(int(asked) if asked.isdecimal() and len(asked) < 6 else AT_ONCE, AT_ONCE), MOST)
    jobs = work.list_jobs(who=who, state=state, limit=shown + 1)  # type: ignore[arg-type]
    news = work.list_news(who=who, state=state, limit=shown + 1)  # type: ignore[arg-type]
    more = shown < MOST and max(len(jobs), len(news)) > shown
    _status, found = health.look(settings.QALA)
    titles = {"failed": _("Given up"), "running": _("Under way"), "waiting": _("Waiting"), "done": _("Done")}
    told = [*lines(found), backup_told(settings.QALA, now)]
    return render(
        request,
        "site/operation.html",
        {
            "lines": told,
            "well": all(one["state"] == "ok" for one in told),
            "jobs": [*jobs[:shown], *news[:shown]], "state": state, "more": shown + AT_ONCE if more else None,
            "tabs": [{"title": title, "url": f"?state={key}", "active": key == state} for key, title in titles.items()],
            "sizes": [
                *((part_title(name), bytes_text(size)) for name, size in sizes(settings.QALA).items()),
                (_("Free on the disk"), bytes_text(disk_free(settings.QALA))),
            ],
        },
    )  # fmt: skip


@require_POST
def repeat(request: HttpRequest) -> HttpResponse:
    kind = "job" if request.POST.get("kind") == "job" else "news"
    try:
        key = UUID(request.POST.get("key", ""))
    except ValueError:
        raise NotFound(_("There is no failed work of that key; perhaps it was repeated already.")) from None
    work.repeat(kind, key, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    messages.success(request, _("It is queued again."))
    return redirect("console:operation")


def part_title(name: str) -> str:
    """What a part of the data folder is called."""
    titles = {
        "records": _("Records"), "catalogue": _("The lake's catalogue"), "lake": _("The lake: measurements"),
        "loads": _("Files of loads"), "media": _("Photos and files"),
        "backups": _("Back-ups"),
    }  # fmt: skip
    return titles.get(name, name)


def lines(found: dict[str, Any]) -> Iterator[dict[str, str]]:
    """What ``/healthz`` knows, in words: ``{"state", "title", "what", "fix", "since"}``; ``ok``, ``warn`` or ``bad``."""
    for part in found["parts"]:
        up = part["state"] == "running"
        name = {"web": _("Pages"), "worker": _("Work in the background")}.get(part["part"], part["part"])
        count = part["restarts"] or 0
        again = ngettext("restarted {n} time", "restarted {n} times", count).format(n=count)
        yield line(
            "bad" if not up else "warn" if count else "ok", name,
            _("runs") + (f", {again}" if count else "") if up else _("does not run"),
            _("It is started again by itself; its log says why it ended.") if not up or count else "", since_of(part),
        )  # fmt: skip
    records, lake, disk, outbox, worker = (found[key] for key in ("records", "lake", "disk", "outbox", "worker"))
    good = records["state"] == "ok"
    yield line(
        "ok" if good else "bad", _("Records"), _("answer as they should") if good else _("do not answer"),
        "" if good else _("See that the database runs and its disk has room; qala doctor says more."),
    )  # fmt: skip
    states = {
        "ok": ("ok", _("answers")),
        "slow": ("warn", _("answers slowly")),
        "unknown": ("warn", _("was not asked yet")),
    }
    state, what = states.get(lake["state"], ("bad", _("does not answer")))
    yield line(
        state, _("The lake: measurements"), " ".join(filter(None, (what, lake.get("why", "")))),
        "" if state == "ok" else _("Wait a minute and load the page again; then ask qala doctor."),
    )  # fmt: skip
    free = bytes_text(disk["free_bytes"])
    yield line(
        "ok" if disk["state"] == "ok" else "bad", _("Disk"), _("{size} are free").format(size=free),
        "" if disk["state"] == "ok" else _("Free space now: soon nothing can be kept any more."),
    )  # fmt: skip
    yield news_line(outbox)
    if worker["state"] != "unknown":
        stuck = worker["state"] == "stuck"
        minutes = max(1, round(worker.get("seconds_since_beat", 0) / 60))
        yield line(
            "bad" if stuck else "ok", _("Worker"),
            ngettext("gives no sign of life for {n} minute", "gives no sign of life for {n} minutes", minutes)
            .format(n=minutes)
            if stuck else _("works on {job}").format(job=worker["doing"])
            if worker.get("doing") else _("is ready for work"),
            _("Restart qala up.") if stuck else "",
        )  # fmt: skip


def since_of(part: dict[str, Any]) -> str:
    """Since when a part is in its state; empty where that is not told."""
    told = part.get("since")
    return _("since {time}").format(time=moment_text(datetime.fromisoformat(told))) if told else ""


def news_line(outbox: dict[str, Any]) -> dict[str, str]:
    """How news between the parts of the city fares."""
    if outbox["state"] == "failed":
        count = outbox["failed"]
        what = ngettext("{n} delivery was given up", "{n} deliveries were given up", count).format(n=count)
        return line("bad", _("News between parts"), what, _("Read the reason below, mend it, and repeat the delivery."))
    if outbox["state"] == "late":
        what = _("some wait for more than {minutes} minutes").format(minutes=round(outbox["oldest_seconds"] / 60))
        return line("warn", _("News between parts"), what, _("Nothing is lost. If it stays so, restart qala up."))
    return line("ok" if outbox["state"] == "ok" else "warn", _("News between parts"), _("delivered in time"))


def backup_told(settings_: Settings, now: datetime) -> dict[str, str]:
    """How the back-up fares: the daily one where the settings ask for it, else the last of any."""
    if settings_.backup_dir is None:
        return backup_line(daily.last_of(), now)
    last = daily.last_of(str(settings_.backup_dir))
    failed = daily.last_failure(last.at if last else None)
    if failed is not None and failed.at is not None:
        what = _("failed {time}: {why}").format(time=when_text(failed.at, now), why=failed.reason)
        return line("bad", _("Back-up"), what, _("Mend it; it is tried again each hour."))
    if last is None or daily.is_late(settings_, now):
        what = _("there is none") if last is None else _("the last is of {time}").format(time=moment_text(last.at))
        return line("warn", _("Back-up"), what, _("It is tried each hour; see that the worker runs."))
    return backup_line(last, now)


def backup_line(last: daily.Last | None, now: datetime) -> dict[str, str]:
    """When the city was last copied."""
    how = _("Run qala backup DIR each night, with DIR on another disk.")
    if last is None:
        return line("warn", _("Back-up"), _("there is none"), how)
    days = (now - last.at).days
    if now - last.at > OLD_BACKUP:
        return line("warn", _("Back-up"), ngettext("{n} day old", "{n} days old", days).format(n=days), how)
    what = _("taken {time}, {size}").format(time=when_text(last.at, now), size=bytes_text(last.bytes))
    return line("ok", _("Back-up"), what)


def line(state: str, title: str, what: str, fix: str = "", since: str = "") -> dict[str, str]:
    return {"state": state, "title": title, "what": what, "fix": fix, "since": since}
