"""Places: the city, its districts, their zones, address points; and the borders that each had, with their dates."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from qala.kernel.ids import new_id
from qala.kernel.languages import pick_text


class Place(models.Model):
    """A named place of the city; places form one tree. A zone may belong to a utility and reach over several districts."""

    class Kind(models.TextChoices):
        CITY = "city", _("City")
        DISTRICT = "district", _("District")
        ZONE = "zone", _("Zone")
        ADDRESS = "address", _("Address")

    class Use(models.TextChoices):
        """What a zone of a utility is for; other zones have none."""

        WATER = "water", _("Water (district metered area)")
        ELECTRICITY = "electricity", _("Electricity (feeder)")
        HEAT = "heat", _("Heat (heat zone)")
        OTHER = "other", _("Other")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    code = models.SlugField(max_length=80, unique=True)
    name_kk = models.CharField(max_length=200, blank=True)
    name_ru = models.CharField(max_length=200, blank=True)
    name_en = models.CharField(max_length=200, blank=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    label_lon = models.FloatField(help_text="Where the name is written on a map, degrees east (WGS 84).")
    label_lat = models.FloatField(help_text="Where the name is written on a map, degrees north (WGS 84).")
    population = models.PositiveIntegerField(null=True)
    owner = models.ForeignKey("people.Organisation", null=True, on_delete=models.PROTECT, related_name="+")
    use = models.CharField(max_length=12, blank=True, choices=Use.choices)
    is_demo = models.BooleanField(default=False)

    shape: PlaceShape | None  # set by the store: the outline at the time that was asked for

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["city", "district", "zone", "address"]), name="place_known_kind"
            ),
            models.UniqueConstraint(fields=["kind"], condition=Q(kind="city"), name="place_one_city"),
            models.CheckConstraint(
                condition=Q(kind="city", parent__isnull=True) | (~Q(kind="city") & Q(parent__isnull=False)),
                name="place_city_is_root",
            ),
            models.CheckConstraint(condition=~Q(name_kk="") | ~Q(name_ru="") | ~Q(name_en=""), name="place_has_a_name"),
            models.CheckConstraint(
                condition=Q(label_lon__gte=-180, label_lon__lte=180, label_lat__gte=-90, label_lat__lte=90),
                name="place_label_on_earth",
            ),
            models.CheckConstraint(
                condition=Q(kind="zone") | Q(owner__isnull=True, use=""), name="place_zones_are_owned"
            ),
            models.CheckConstraint(
                condition=Q(use__in=["", "water", "electricity", "heat", "other"]), name="place_known_use"
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "code"], name="place_by_kind"),
            models.Index(fields=["owner"], condition=Q(owner__isnull=False), name="place_by_owner"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def names(self) -> dict[str, str]:
        """The names by language; empty where there is none."""
        return {"kk": self.name_kk, "ru": self.name_ru, "en": self.name_en}

    @property
    def name(self) -> str:
        """The name in the language of the page; where it lacks, in the next of ``FALL_BACK``."""
        return pick_text(get_language(), self.names)[0]

    def is_translated(self, language: str | None = None) -> bool:
        """Whether the place has a name of its own in ``language`` (default: of the page), not a fall-back."""
        asked = (language or get_language() or settings.LANGUAGE_CODE)[:2]
        return pick_text(asked, self.names)[1] == asked


class PlaceShape(models.Model):
    """The outline (or point) of a place, valid for ``[valid_from, valid_to)`` in UTC; ``None`` leaves a side open."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="shapes")
    geometry_wkb = models.BinaryField()
    min_lon = models.FloatField()
    max_lon = models.FloatField()
    min_lat = models.FloatField()
    max_lat = models.FloatField()
    h3_cell = models.CharField(max_length=16, help_text="H3 cell, resolution 9, of the place's label point.")
    area_km2 = models.FloatField(null=True, help_text="Area on the ellipsoid; none for points.")
    valid_from = models.DateTimeField(null=True)
    valid_to = models.DateTimeField(null=True)
    entry = models.UUIDField(null=True, help_text="The act that entered it; shapes of one act are taken back together.")
    entered_at = models.DateTimeField(null=True)
    entered_by = models.CharField(max_length=200, blank=True)
    why = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["place"], condition=Q(valid_to__isnull=True), name="place_shape_one_open"
            ),
            models.CheckConstraint(condition=Q(valid_to__gt=F("valid_from")), name="place_shape_ends_after_start"),
            models.CheckConstraint(
                condition=Q(
                    min_lon__gte=-180, max_lon__lte=180, min_lat__gte=-90, max_lat__lte=90,
                    max_lon__gte=F("min_lon"), max_lat__gte=F("min_lat"),
                ),
                name="place_shape_bounds_in_order",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["place", "valid_from"], name="place_shape_by_time"),
            models.Index(fields=["h3_cell"], name="place_shape_by_cell"),
            models.Index(fields=["entry"], condition=Q(entry__isnull=False), name="place_shape_by_entry"),
        ]

    def __str__(self) -> str:
        return f"{self.place_id} {self.valid_from} – {self.valid_to}"


class BordersVersion(models.Model):
    """One row, whose token changes with every border: what a process keeps of borders is good for one token."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    token = models.UUIDField(default=new_id)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="borders_version_one_row")]

    def __str__(self) -> str:
        return str(self.token)
