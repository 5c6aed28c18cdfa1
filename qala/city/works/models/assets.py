"""What the city owns and keeps up: assets, their kinds, and what changed of them when."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from qala.kernel import geometry
from qala.kernel.ids import new_id
from qala.kernel.languages import pick_text

from .. import rules


class AssetRefusal(models.TextChoices):
    """Why a row of a file of assets was not taken."""

    COLUMNS = "columns", _("other number of columns than the header")
    BAD_TEXT = "bad_text", _("holds signs that no text has")
    NO_CODE = "no_code", _("no code")
    BAD_CODE = "bad_code", _("code has other signs than letters, digits, _ and -, or more than 64")
    DUPLICATE = "duplicate", _("the code stands in the file already")
    NO_KIND = "no_kind", _("no kind")
    UNKNOWN_KIND = "unknown_kind", _("there is no such kind")
    NO_OWNER = "no_owner", _("no owner")
    UNKNOWN_OWNER = "unknown_owner", _("there is no such organisation, or you may not manage its assets")
    UNKNOWN_PLACE = "unknown_place", _("there is no such place")
    NO_PLACE = "no_place", _("neither place nor geometry")
    BAD_GEOMETRY = "bad_geometry", _("the geometry can't be read")
    WRONG_GEOMETRY = "wrong_geometry", _("the kind wants another geometry")
    OUTSIDE_CITY = "outside_city", _("lies outside the city")
    PLACE_DIFFERS = "place_differs", _("lies in another district than the place")
    BAD_DATE = "bad_date", _("not a date like 2026-03-01 or 01.03.2026")
    FUTURE_DATE = "future_date", _("date lies in the future")
    DATES_ORDER = "dates_order", _("retired before it was installed")
    BAD_CONDITION = "bad_condition", _("condition is none of good, fair, poor, bad")
    BAD_STATE = "bad_state", _("state is none of planned, in_use, out_of_order, retired")
    BAD_DEVICE = "bad_device", _("device is no serial")
    TOO_LONG = "too_long", _("name or address longer than 200 characters")
    UNKNOWN_ATTRIBUTE = "unknown_attribute", _("the kind has no such attribute")
    BAD_ATTRIBUTE = "bad_attribute", _("not a value of this attribute")
    KIND_DIFFERS = "kind_differs", _("the asset is of another kind")
    OWNER_DIFFERS = "owner_differs", _("the asset has another owner")
    UNAVAILABLE = "unavailable", _("this code can't be taken or changed by you")


class Condition(models.TextChoices):
    """How well an asset is."""

    GOOD = "good", _("good")
    FAIR = "fair", _("fair")
    POOR = "poor", _("poor")
    BAD = "bad", _("bad")


class AssetState(models.TextChoices):
    """What an asset does."""

    PLANNED = "planned", _("planned")
    IN_USE = "in_use", _("in use")
    OUT_OF_ORDER = "out_of_order", _("out of order")
    RETIRED = "retired", _("taken away")


class Kind(models.Model):
    """A kind of assets or of work orders: its key, its titles, and the rest as ``rules.kinds`` has it."""

    ASSET, ORDER = "asset", "order"

    id = models.BigAutoField(primary_key=True)
    of = models.CharField(max_length=5)
    key = models.CharField(max_length=40)
    title_kk = models.CharField(max_length=200, blank=True)
    title_ru = models.CharField(max_length=200, blank=True)
    title_en = models.CharField(max_length=200, blank=True)
    content = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["of", "key"], name="work_kind_once"),
            models.CheckConstraint(condition=Q(of__in=["asset", "order"]), name="work_kind_of"),
            models.CheckConstraint(condition=~Q(title_kk="", title_ru="", title_en=""), name="work_kind_has_a_title"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The title in the language of the page; where it lacks, in the next of ``FALL_BACK``."""
        return pick_text(get_language(), {"kk": self.title_kk, "ru": self.title_ru, "en": self.title_en})[0]

    @property
    def as_asset(self) -> rules.AssetKind:
        return rules.AssetKind.model_validate(self.content)

    @property
    def as_order(self) -> rules.OrderKind:
        return rules.OrderKind.model_validate(self.content)


class Asset(models.Model):
    """One thing that the city keeps up: a lamp, a pipe, a road section; at a place, a point or along a line."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField(max_length=64, unique=True, validators=[RegexValidator(rf"^{rules.CODE}$")])
    kind = models.ForeignKey(Kind, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200, blank=True)
    place = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    district = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    address = models.CharField(max_length=200, blank=True)
    geometry_wkb = models.BinaryField(null=True)
    min_lon = models.FloatField(null=True)
    min_lat = models.FloatField(null=True)
    max_lon = models.FloatField(null=True)
    max_lat = models.FloatField(null=True)
    h3_cell = models.CharField(max_length=16, blank=True)
    length_m = models.FloatField(null=True)
    installed_on = models.DateField(null=True)
    retired_on = models.DateField(null=True)
    condition = models.CharField(max_length=5, blank=True, choices=Condition.choices)
    state = models.CharField(max_length=12, default=AssetState.IN_USE, choices=AssetState.choices)
    attributes = models.JSONField(default=dict)
    device = models.CharField(max_length=64, blank=True)
    is_demo = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["planned", "in_use", "out_of_order", "retired"]), name="asset_known_state"
            ),
            models.CheckConstraint(
                condition=Q(condition__in=["", "good", "fair", "poor", "bad"]), name="asset_known_condition"
            ),
            models.CheckConstraint(
                condition=Q(retired_on__isnull=True)
                | Q(installed_on__isnull=True)
                | Q(retired_on__gte=F("installed_on")),
                name="asset_retired_after_installed",
            ),
            models.CheckConstraint(
                condition=Q(geometry_wkb__isnull=True, min_lon__isnull=True, place__isnull=False)
                | Q(
                    geometry_wkb__isnull=False, min_lon__gte=-180, max_lon__lte=180, min_lat__gte=-90, max_lat__lte=90,
                    min_lon__lte=F("max_lon"), min_lat__lte=F("max_lat"),
                ),
                name="asset_is_somewhere",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["owner", "code"], name="asset_by_owner"),
            models.Index(fields=["kind", "code"], name="asset_by_kind"),
            models.Index(fields=["district", "code"], name="asset_by_district"),
            models.Index(fields=["state", "code"], name="asset_by_state"),
            models.Index(fields=["min_lon", "min_lat"], name="asset_by_spot"),
            models.Index(fields=["device"], condition=~Q(device=""), name="asset_by_device"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def shape(self) -> Any:
        """The geometry (shapely), ``None`` where the asset has only a place."""
        return None if self.geometry_wkb is None else geometry.from_wkb(self.geometry_wkb)


class AssetChange(models.Model):
    """What changed of an asset at an instant, who entered it and why; the first of them is its entry."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200, blank=True)
    why = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["asset", "at"], name="asset_change_by_asset"),
            models.Index(fields=["who_id"], condition=Q(who_id__isnull=False), name="asset_change_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.at:%Y-%m-%d %H:%M}"
