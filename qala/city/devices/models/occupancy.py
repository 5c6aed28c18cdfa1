"""Who uses what is measured at a meter point, from when to when; and the codes by which residents say so themselves."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from qala.kernel.ids import new_id

from .devices import Device


class OccupancyRefusal(models.TextChoices):
    """Why a row of a file of occupancies was not taken."""

    COLUMNS = "columns", _("other number of columns than the header")
    ENCODING = "encoding", _("not in UTF-8")
    NO_METER_POINT = "no_meter_point", _("no meter point")
    NO_OWNER = "no_owner", _("no owner, and you manage the meter points of more than one organisation")
    UNKNOWN_METER_POINT = "unknown_meter_point", _("there is no such meter point, or you may not manage its occupants")
    NO_OCCUPANT = "no_occupant", _("neither person nor organisation")
    TWO_OCCUPANTS = "two_occupants", _("person and organisation in one row")
    UNKNOWN_PERSON = "unknown_person", _("there is no such person, or none that you may know of")
    UNKNOWN_ORGANISATION = "unknown_organisation", _("there is no such organisation")
    NO_START = "no_start", _("no day on which it begins")
    BAD_DATE = "bad_date", _("not a date like 2026-03-01 or 01.03.2026")
    DATES_ORDER = "dates_order", _("ends on the day on which it begins or before")
    OVERLAPS = "overlaps", _("the same occupant has that meter point in that time already")
    TOO_LONG = "too_long", _("meter point longer than 64 characters")


class DevicePoint(models.Model):
    """The meter point that a device stood at before it got another one, over ``[valid_from, valid_to)``.

    ``None``: since ever. The present one is on the device itself.
    """

    id = models.BigAutoField(primary_key=True)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="points")
    meter_point = models.CharField(max_length=64)
    valid_from = models.DateTimeField(null=True)
    valid_to = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "valid_to"], name="device_point_once"),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_to__gt=F("valid_from")), name="device_point_in_order"
            ),
        ]
        indexes = [models.Index(fields=["meter_point"], name="device_point_by_code")]

    def __str__(self) -> str:
        return f"{self.device_id} at {self.meter_point} until {self.valid_to:%Y-%m-%d %H:%M}"


class Occupancy(models.Model):
    """A person or an organisation uses what a meter point measures, over ``[valid_from, valid_to)``.

    A meter point is a code among the meters of their owner. After an erasure the period stays without the person.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    meter_point = models.CharField(max_length=64)
    person = models.ForeignKey("people.Person", null=True, on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey("people.Organisation", null=True, on_delete=models.PROTECT, related_name="+")
    erased_at = models.DateTimeField(null=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    source = models.CharField(max_length=20)
    entered_by = models.ForeignKey("people.Person", null=True, on_delete=models.SET_NULL, related_name="+")
    entered_at = models.DateTimeField()

    CONSOLE, API, FILE, CODE, DEMO = "console", "api", "file", "code", "demo"

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=False, organisation__isnull=True, erased_at__isnull=True)
                | Q(person__isnull=True, organisation__isnull=False, erased_at__isnull=True)
                | Q(person__isnull=True, organisation__isnull=True, erased_at__isnull=False),
                name="occupancy_has_one_occupant",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")), name="occupancy_in_order"
            ),
            models.CheckConstraint(condition=~Q(meter_point=""), name="occupancy_has_a_point"),
            models.CheckConstraint(
                condition=Q(source__in=["console", "api", "file", "code", "demo"]), name="occupancy_known_source"
            ),
            models.UniqueConstraint(
                fields=["owner", "meter_point", "person"],
                condition=Q(valid_to__isnull=True, person__isnull=False),
                name="occupancy_once_open_person",
            ),
            models.UniqueConstraint(
                fields=["owner", "meter_point", "organisation"],
                condition=Q(valid_to__isnull=True, organisation__isnull=False),
                name="occupancy_once_open_org",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "meter_point", "valid_from"], name="occupancy_by_point"),
            models.Index(fields=["person", "valid_from"], name="occupancy_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.meter_point} from {self.valid_from:%Y-%m-%d %H:%M}"


class ClaimCode(models.Model):
    """A code that whoever uses a meter point enters once, to see its readings. Only its digest is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    meter_point = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    valid_from = models.DateTimeField(null=True)  # of the occupancy; null: the day on which the code is entered
    made_at = models.DateTimeField()
    made_by = models.ForeignKey("people.Person", null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    state: str  # set by the store: open, used, revoked or expired at the time that was asked for

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("made_at")), name="claim_code_ends_after_its_start"),
        ]
        indexes = [models.Index(fields=["owner", "meter_point", "-made_at"], name="claim_code_by_point")]

    def __str__(self) -> str:
        return f"{self.meter_point} {self.made_at:%Y-%m-%d %H:%M}"


class ClaimAttempt(models.Model):
    """Somebody entered a code that was not good; kept for a day, so that nobody can try them all."""

    id = models.BigAutoField(primary_key=True)
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    address = models.CharField(max_length=45, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["person", "at"], name="claim_attempt_by_person"),
            models.Index(fields=["address", "at"], name="claim_attempt_by_address"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.at:%Y-%m-%d %H:%M}"
