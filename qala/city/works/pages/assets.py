"""Console pages of assets."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from qala.city.people.public import list_organisations
from qala.city.places.public import list_places
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import export_file, file_answer, uploaded_file
from qala.kernel.errors import NotFound, QalaError
from qala.kernel.languages import pick_text
from qala.kernel.list_pages import asked_of, list_answer, look_of
from qala.kernel.plug import cards_at

from .. import actions, store
from ..models import Asset, AssetState, Condition, Kind
from ..rules import COLUMNS, NEEDED
from .forms import AssetForm, LoadForm, NewAssetForm, spot_of
from .minimap import bounds_around, minimap

NEAR = 300  # assets that the map around one shows


@require_safe
def asset_list(request: HttpRequest) -> HttpResponseBase:
    query = request.GET.copy()
    for own in ("after", "columns", "sort"):
        query.pop(own, None)
    return list_answer(
        request, store.ASSETS, "works/assets.html", forms=store.FORMS, query=query.urlencode(),
        may_manage=request.who.may("works.manage_assets"),  # type: ignore[attr-defined]
    )  # fmt: skip


@require_safe
def download(request: HttpRequest, form: str) -> HttpResponseBase:
    """The assets of the list as a file that can be loaded again."""
    wanted = next((one for one in store.FORMS if one == form), None)
    if wanted is None:
        raise NotFound(_("There is no download in this form."))
    with export_file() as path:
        store.export_assets(path, wanted, asked_of(request.GET, store.ASSETS), look_of(request))
        return file_answer(path, f"assets.{form}")


@require_safe
def asset_page(request: HttpRequest, code: str) -> HttpResponse:
    who: Who = request.who  # type: ignore[attr-defined]
    asset = store.get_asset(code, who=who)
    spec, shape, language = asset.kind.as_asset, asset.shape, get_language()
    attributes = []
    for one in spec.attribute:
        value = asset.attributes.get(one.key)
        if value is not None:
            titles = {choice.key: pick_text(language, choice.titles)[0] for choice in one.choices}
            shown = (_("yes") if value else _("no")) if isinstance(value, bool) else titles.get(str(value), value)
            is_amount = isinstance(shown, int | float) and bool(one.unit)
            attributes.append(
                {
                    "title": pick_text(language, one.titles)[0], "value": shown if is_amount else str(shown),
                    "unit": one.unit, "is_amount": is_amount,
                }
            )  # fmt: skip
    drawn = None
    if shape is not None:
        near = [one["shape"] for one in store.shapes_in(who, bounds_around(shape), limit=NEAR) if one["code"] != code]
        drawn = minimap(shape, who=who, label=_("Map around {thing}").format(thing=code), near=near)
    return render(
        request,
        "works/asset.html",
        {
            "asset": asset, "attributes": attributes, "map": drawn, "on_map": on_map("works.assets", code),
            "changes": shown_changes(asset), "may_manage": who.may("works.manage_assets", asset.owner_id),
            "orders": store.orders_of_asset(asset, who=who, now=SYSTEM_CLOCK.now()), "may_order": who.may("works.order"),
            "cards": cards_at("works.asset", request, who, asset=asset),
        },
    )  # fmt: skip


def on_map(theme: str, key: str) -> str:
    """Where the console's map shows a thing."""
    return f"{reverse('console:map')}?{urlencode({'theme': theme, 'pick': key})}"


def shown_changes(asset: Asset) -> list[dict[str, Any]]:
    """What changed of an asset: when, who, why, and each field in words."""
    titles = {
        "name": _("Name"), "address": _("Address"), "place_id": _("Place"), "district_id": _("District"),
        "geometry": _("Geometry"), "installed_on": _("Installed"), "retired_on": _("Taken away"), "state": _("State"),
        "condition": _("Condition"), "device": _("Device"), "attributes": _("Attributes"),
    }  # fmt: skip
    words = {"state": dict(AssetState.choices), "condition": dict(Condition.choices)}

    def told(name: str, value: Any) -> str:
        return str(words.get(name, {}).get(value, value)) if value not in (None, "") else "–"

    found = []
    for change in store.changes_of(asset):
        fields = []
        for name in change.after if change.before else ():
            plain = name in ("name", "address", "installed_on", "retired_on", "state", "condition", "device")
            before, after = told(name, change.before.get(name)), told(name, change.after[name])
            fields.append(
                {"title": titles.get(name, name), "before": before if plain else "", "after": after if plain else ""}
            )
        found.append({"change": change, "fields": fields, "is_entry": not change.before})
    return found


@require_http_methods(["GET", "POST"])
def edit_page(request: HttpRequest, code: str) -> HttpResponse:
    """What is told of an asset, to be changed."""
    who: Who = request.who  # type: ignore[attr-defined]
    asset = store.get_asset(code, who=who)
    who.require("works.manage_assets", asset.owner_id)
    return _form_page(request, code=code, kind=asset.kind, asset=asset, owner="")


@require_http_methods(["GET", "POST"])
def new_page(request: HttpRequest) -> HttpResponse:
    """First which asset is made (code, kind, owner), then what is told of it."""
    who: Who = request.who  # type: ignore[attr-defined]
    scope = who.require("works.manage_assets")
    kinds = {one.key: one for one in store.list_kinds(Kind.ASSET)}
    owners = [(one.code, one.name) for one in list_organisations() if scope.covers(one.pk)]
    first = NewAssetForm(
        request.GET if "code" in request.GET else None, kinds=[(key, one.title) for key, one in kinds.items()],
        owners=owners,
    )  # fmt: skip
    if "code" in request.GET and first.is_valid():
        told = first.cleaned_data
        return _form_page(request, code=told["code"].strip(), kind=kinds[told["kind"]], asset=None, owner=told["owner"])
    return render(request, "works/new_asset.html", {"form": first}, status=422 if first.errors else 200)


def _form_page(request: HttpRequest, *, code: str, kind: Kind, asset: Asset | None, owner: str) -> HttpResponse:
    who: Who = request.who  # type: ignore[attr-defined]
    places = [(place.code, place.name) for of in ("district", "zone") for place in list_places(of, who=who)]
    if asset is not None and asset.place is not None and (asset.place.code, asset.place.name) not in places:
        places.append((asset.place.code, asset.place.name))
    form = AssetForm(
        request.POST or None, kind=kind.as_asset, places=places,
        initial=_initial(asset) if asset is not None else {"state": AssetState.IN_USE},
    )  # fmt: skip
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        told: dict[str, object] = (
            {"code": code} if asset is not None else {"code": code, "kind": kind.key, "owner": owner}
        )
        try:
            actions.put_assets(
                rows=[{**form.cells(asset), **told}], who=who, now=SYSTEM_CLOCK.now(), why=form.cleaned_data["why"],
                clear=form.cleared() if asset is not None else (),
            )  # fmt: skip
            messages.success(request, _("{code} is kept.").format(code=code))
            return redirect("works:asset", code=code)
        except QalaError as told_error:
            error = told_error
    status = error.status if error is not None else 422 if form.errors else 200
    return render(
        request, "works/edit_asset.html",
        {"form": form, "error": error, "code": code, "kind": kind, "asset": asset}, status=status,
    )  # fmt: skip


def _initial(asset: Asset) -> dict[str, Any]:
    attributes = {
        f"attribute_{key}": ("yes" if value else "no") if isinstance(value, bool) else value
        for key, value in asset.attributes.items()
    }
    return {
        **attributes, **spot_of(asset), "name": asset.name, "address": asset.address, "state": asset.state,
        "condition": asset.condition, "installed_on": asset.installed_on, "retired_on": asset.retired_on,
        "device": asset.device, "place": asset.place.code if asset.place else "",
    }  # fmt: skip


@require_http_methods(["GET", "POST"])
def load_page(request: HttpRequest) -> HttpResponse:
    """A form that takes a file of assets, and what became of it."""
    who: Who = request.who  # type: ignore[attr-defined]
    who.require("works.manage_assets")
    form = LoadForm(request.POST or None, request.FILES or None)
    error: QalaError | None = None
    summary = None
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            with uploaded_file(upload) as path:
                summary = actions.load_assets(
                    path=path, name=upload.name, who=who, now=SYSTEM_CLOCK.now(), dry_run=form.cleaned_data["dry_run"]
                )
        except QalaError as told:
            error = told
        if summary is not None and summary.kept:
            messages.success(
                request,
                _("{file} is kept: {new} new, {changed} changed, {unchanged} already there.").format(
                    file=upload.name, new=summary.new, changed=summary.changed, unchanged=summary.unchanged
                ),
            )
            return redirect("works:assets")
    language = get_language()
    refused = [{"row": row, "reason": actions.reason_text(row)} for row in summary.refused] if summary else []
    return render(
        request,
        "works/load_assets.html",
        {
            "form": form, "error": error, "summary": summary, "refused": refused, "columns": COLUMNS, "needed": NEEDED,
            "kinds": [
                {"kind": kind, "attributes": [(one.key, pick_text(language, one.titles)[0]) for one in kind.as_asset.attribute]}
                for kind in store.list_kinds(Kind.ASSET)
            ],
        },
        status=422 if error is not None or form.errors or refused else 200,
    )  # fmt: skip
