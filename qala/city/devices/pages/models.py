"""Console pages of device models: what each measures, what it sends, what it can't do."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language

from qala import drivers
from qala.kernel.list_pages import list_answer

from .. import store
from ..rules import allowance


def model_list(request: HttpRequest) -> HttpResponseBase:
    """All models, with how many devices of each there are."""
    return list_answer(request, store.MODELS, "devices/models.html")


def model_page(request: HttpRequest, key: str) -> HttpResponse:
    """One model: its properties with units, a payload example, what it can't do."""
    who = request.who  # type: ignore[attr-defined]
    counts = store.count_by_model(who=who)
    driver, language = drivers.driver(key), get_language() or "en"
    return render(
        request,
        "devices/model.html",
        {
            "driver": driver,
            "title": driver.title(language),
            "cannot": driver.cannot(language),
            "count": counts.get(key, 0),
            "properties": [
                {
                    "property": one,
                    "title": drivers.property_title(one.name, language),
                    "path": one.path or f"/{one.name}",
                    "sent_unit": one.sent_unit or one.unit,
                    "is_converted": one.sent_unit not in ("", one.unit),
                    "last_digit": 1,
                    "silent_minutes": round(allowance(one.expected_interval_minutes).total_seconds() / 60),
                }
                for one in driver.property
            ],
        },
    )
