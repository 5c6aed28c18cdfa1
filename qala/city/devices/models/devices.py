"""Devices, what they measure, and the files that readings came in."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from qala.kernel.ids import new_id
from qala.kernel.lake import LakeTable

from ..rules import SERIAL


class RefusalReason(models.TextChoices):
    """Why a row of a file was not taken."""

    COLUMNS = "columns", _("other number of columns than the header")
    ENCODING = "encoding", _("not in the profile's encoding")
    NO_SERIAL = "no_serial", _("no serial")
    BAD_SERIAL = "bad_serial", _("serial has other signs than letters, digits, _ and -, or more than 64")
    UNKNOWN_DEVICE = "unknown_device", _("no device has this serial")
    UNKNOWN_SERIES = "unknown_series", _("the device does not measure this")
    NO_TIME = "no_time", _("no time")
    BAD_TIME = "bad_time", _("not a time in the profile's format, or without offset")
    SKIPPED_HOUR = "skipped_hour", _("local time that did not exist: clocks went forward")
    FUTURE = "future", _("time lies in the future")
    TOO_OLD = "too_old", _("time lies before the profile's earliest")
    NOT_KEPT = "not_kept", _("older than the city keeps readings of this kind")
    NO_VALUE = "no_value", _("no value")
    NOT_A_NUMBER = "not_a_number", _("value is not a number")
    TOO_LARGE = "too_large", _("value is larger than any register")
    TOO_FINE = "too_fine", _("value is finer than the register's last digit")
    BAD_UNIT = "bad_unit", _("unit is unknown or measures something else")
    BAD_QUALITY = "bad_quality", _("quality is not one of A, S, E, F, N")


class DeviceRefusal(models.TextChoices):
    """Why a row of a file of devices was not taken."""

    COLUMNS = "columns", _("other number of columns than the header")
    ENCODING = "encoding", _("not in UTF-8")
    NO_SERIAL = "no_serial", _("no serial")
    BAD_SERIAL = "bad_serial", _("serial has other signs than letters, digits, _ and -, or more than 64")
    DUPLICATE = "duplicate", _("the serial stands in the file already")
    NO_MODEL = "no_model", _("no model")
    UNKNOWN_MODEL = "unknown_model", _("there is no such model")
    NO_OWNER = "no_owner", _("no owner, and you may not manage devices without one")
    UNKNOWN_OWNER = "unknown_owner", _("there is no such organisation, or you may not manage its devices")
    UNKNOWN_PLACE = "unknown_place", _("there is no such place")
    BAD_COORDINATES = "bad_coordinates", _("coordinates are no two numbers in degrees")
    SWAPPED = "swapped", _("longitude and latitude look swapped")
    OUTSIDE_CITY = "outside_city", _("coordinates lie outside the city")
    PLACE_DIFFERS = "place_differs", _("coordinates lie in another district than the place")
    BAD_DIGITS = "bad_digits", _("digits are no whole number from 1 to 18")
    BAD_MULTIPLIER = "bad_multiplier", _("multiplier is not above 0 and below 1,000,000 with six decimals at most")
    BAD_EXPECTED = "bad_expected", _("expected interval is no whole number of minutes from 1 to 44640")
    BAD_DATE = "bad_date", _("not a date like 2026-03-01 or 01.03.2026")
    FUTURE_DATE = "future_date", _("date lies in the future")
    DATES_ORDER = "dates_order", _("removed on the day of installation or before")
    TOO_LONG = "too_long", _("meter point longer than 64 characters or address longer than 200")
    MODEL_DIFFERS = "model_differs", _("the device is of another model")
    OWNER_DIFFERS = "owner_differs", _("the device has another owner")
    ELSEWHERE = "elsewhere", _("the device stands in another district: move it on its page")
    UNAVAILABLE = "unavailable", _("this serial can't be registered or changed by you")


class Device(models.Model):
    """One thing that measures. Its model (a driver's key) says what; its series hold the readings."""

    REGISTERED, ACTIVE, RETIRED = "registered", "active", "retired"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    serial = models.CharField(max_length=64, unique=True, validators=[RegexValidator(rf"^{SERIAL}$")])
    model = models.CharField(max_length=64)
    owner = models.ForeignKey("people.Organisation", null=True, on_delete=models.PROTECT, related_name="+")
    place = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    district = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    lon = models.FloatField(null=True)
    lat = models.FloatField(null=True)
    h3_cell = models.CharField(max_length=16, blank=True)
    digits = models.PositiveSmallIntegerField(null=True)
    multiplier = models.DecimalField(max_digits=12, decimal_places=6, default=1)
    installed_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, default=REGISTERED)
    last_seen_at = models.DateTimeField(null=True)
    expected_minutes = models.PositiveIntegerField(null=True)
    meter_point = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=200, blank=True)
    is_demo = models.BooleanField(default=False)

    silent: bool  # set by the store for a list: whether it is silent now

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["registered", "active", "retired"]), name="device_known_state"
            ),
            models.CheckConstraint(
                condition=Q(removed_at__isnull=True)
                | Q(installed_at__isnull=True)
                | Q(removed_at__gt=F("installed_at")),
                name="device_removed_after_installed",
            ),
            models.CheckConstraint(condition=Q(multiplier__gt=0), name="device_multiplier_positive"),
            models.CheckConstraint(
                condition=Q(expected_minutes__isnull=True) | Q(expected_minutes__gte=1, expected_minutes__lte=44640),
                name="device_expected_minutes",
            ),
            models.CheckConstraint(
                # a null makes a comparison neither true nor false, which a check lets pass
                condition=Q(lon__isnull=True, lat__isnull=True)
                | Q(
                    lon__isnull=False,
                    lat__isnull=False,
                    lon__gte=-180,
                    lon__lte=180,
                    lat__gte=-90,
                    lat__lte=90,
                ),
                name="device_on_earth",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "serial"], name="device_by_owner"),
            models.Index(fields=["model", "serial"], name="device_by_model"),
            models.Index(fields=["district", "serial"], name="device_by_district"),
            models.Index(fields=["state", "serial"], name="device_by_state"),
            models.Index(fields=["last_seen_at", "serial"], name="device_by_last_seen"),
            models.Index(fields=["installed_at", "serial"], name="device_by_installed"),
            models.Index(
                fields=["expected_minutes"], condition=Q(expected_minutes__isnull=False), name="device_by_expected"
            ),
            models.Index(fields=["h3_cell", "owner", "state"], name="device_by_cell"),
            models.Index(fields=["lat", "lon", "owner", "state"], name="device_by_position"),
            models.Index(fields=["meter_point"], condition=~Q(meter_point=""), name="device_by_meter_point"),
        ]

    def __str__(self) -> str:
        return self.serial


class DeviceStay(models.Model):
    """Where a device stood before it was moved, or before a border was, over ``[valid_from, valid_to)``; ``None``: since ever.

    Where it stands now is on the device itself, so that a device that never moved has none of these.
    """

    id = models.BigAutoField(primary_key=True)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="stays")
    place = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    district = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    lon = models.FloatField(null=True)
    lat = models.FloatField(null=True)
    valid_from = models.DateTimeField(null=True)
    valid_to = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "valid_to"], name="device_stay_once"),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_to__gt=F("valid_from")), name="device_stay_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} until {self.valid_to:%Y-%m-%d %H:%M}"


class DeviceSilence(models.Model):
    """The last silence of a device that was found: since when nothing came, and when its owner was told of it."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="silence")
    since = models.DateTimeField()
    told_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["device"], condition=Q(told_at__isnull=True), name="silence_untold"),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.since:%Y-%m-%d %H:%M}"


class DeviceChange(models.Model):
    """What happened to a device at an instant, who entered it and why."""

    MOVED, RETIRED, SWAPPED_OUT, SWAPPED_IN = "moved", "retired", "swapped_out", "swapped_in"
    BORDER_MOVED = "border_moved"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=12)
    at = models.DateTimeField()
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200)
    recorded_at = models.DateTimeField()
    why = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["moved", "retired", "swapped_out", "swapped_in", "border_moved"]),
                name="device_change_known_kind",
            ),
        ]
        indexes = [models.Index(fields=["device", "at"], name="device_change_by_device")]

    def __str__(self) -> str:
        return f"{self.device_id} {self.kind} {self.at:%Y-%m-%d %H:%M}"


class DeviceCredential(models.Model):
    """What a device proves with that it is itself: good over ``[made_at, ends_at)``; ``None``: until further notice.

    The secret itself is not kept, only its hash.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="credentials")
    batch = models.UUIDField()
    sha256 = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    made_by_id = models.UUIDField(null=True)
    made_by_name = models.CharField(max_length=200)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"], condition=Q(ends_at__isnull=True), name="device_credential_one_without_end"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("made_at")), name="device_credential_in_order"
            ),
        ]
        indexes = [models.Index(fields=["device", "-made_at"], name="device_credential_by_device")]

    def __str__(self) -> str:
        return f"{self.device_id} since {self.made_at:%Y-%m-%d %H:%M}"


class Series(models.Model):
    """What one device measures: (serial, property). Values are whole numbers of ``10**exponent`` × ``unit``."""

    id = models.BigAutoField(primary_key=True)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="series")
    property = models.CharField(max_length=64)
    kind = models.CharField(max_length=10)
    unit = models.CharField(max_length=16)
    exponent = models.SmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "property"], name="series_once"),
            models.CheckConstraint(condition=Q(kind__in=["register", "interval", "instant"]), name="series_known_kind"),
            models.CheckConstraint(condition=Q(exponent__gte=-9, exponent__lte=9), name="series_exponent"),
        ]
        indexes = [models.Index(fields=["property"], name="series_by_property")]

    def __str__(self) -> str:
        return f"{self.device_id} {self.property}"


class Load(models.Model):
    """A file of readings on its way into the lake, and what came of it."""

    RUNNING, DONE, FAILED = "running", "done", "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file_name = models.CharField(max_length=255)
    file_bytes = models.BigIntegerField(default=0)
    file_sha256 = models.CharField(max_length=64, blank=True)
    profile = models.CharField(max_length=64)
    profile_text = models.JSONField()
    state = models.CharField(max_length=8, default=RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200)
    organisation = models.ForeignKey("people.Organisation", null=True, on_delete=models.PROTECT, related_name="+")
    share = models.FloatField(default=0)
    rows_read = models.BigIntegerField(default=0)
    rows_new = models.BigIntegerField(default=0)
    rows_new_version = models.BigIntegerField(default=0)
    rows_already_there = models.BigIntegerField(default=0)
    rows_refused = models.BigIntegerField(default=0)
    refused_by_reason = models.JSONField(default=dict)
    series_count = models.IntegerField(default=0)
    devices_created = models.IntegerField(default=0)
    first_time = models.DateTimeField(null=True)
    last_time = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["running", "done", "failed"]), name="load_known_state"),
            models.CheckConstraint(
                condition=~Q(state="done")
                | Q(
                    rows_read=F("rows_new") + F("rows_new_version") + F("rows_already_there") + F("rows_refused"),
                ),
                name="load_balances",
            ),
        ]
        indexes = [models.Index(fields=["-started_at"], name="load_by_start")]

    def __str__(self) -> str:
        return f"{self.file_name} {self.started_at:%Y-%m-%d %H:%M}"


class DeviceLoad(models.Model):
    """A file of devices that was loaded, tried or refused, and what became of its rows."""

    KEPT, TRIED, REFUSED = "kept", "tried", "refused"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file_name = models.CharField(max_length=255)
    file_sha256 = models.CharField(max_length=64)
    at = models.DateTimeField()
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200)
    outcome = models.CharField(max_length=8)
    rows_read = models.IntegerField()
    rows_new = models.IntegerField()
    rows_changed = models.IntegerField()
    rows_unchanged = models.IntegerField()
    rows_refused = models.IntegerField()
    refused_by_reason = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["kept", "tried", "refused"]), name="device_load_known_outcome"
            ),
            models.CheckConstraint(
                condition=Q(
                    rows_read=F("rows_new") + F("rows_changed") + F("rows_unchanged") + F("rows_refused"),
                ),
                name="device_load_balances",
            ),
        ]
        indexes = [models.Index(fields=["who_id", "-at"], name="device_load_by_person")]

    def __str__(self) -> str:
        return f"{self.file_name} {self.at:%Y-%m-%d %H:%M}"


# One row a version of a reading; the current one is the latest received. `value` counts in the series' exponent.
READINGS = LakeTable(
    "readings",
    columns=(
        ("series", "INTEGER"),
        ("t", "TIMESTAMP"),
        ("value", "BIGINT"),
        ("quality", "VARCHAR"),
        ("received_at", "TIMESTAMP"),
        ("source", "VARCHAR"),
    ),
    partitioned_by=("year(t)", "month(t)"),
    sorted_by=("series", "t", "received_at"),
)

# Rows of loaded files that were refused, each with its line and why.
REFUSALS = LakeTable(
    "refusals",
    columns=(
        ("source", "VARCHAR"),
        ("line", "BIGINT"),
        ("serial", "VARCHAR"),
        ("t", "TIMESTAMP"),
        ("content", "VARCHAR"),
        ("reason", "VARCHAR"),
        ("received_at", "TIMESTAMP"),
    ),
    partitioned_by=("year(received_at)", "month(received_at)"),
    sorted_by=("serial", "source", "line"),
)
