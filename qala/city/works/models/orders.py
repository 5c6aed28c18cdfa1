"""Work orders and crews: what is to be done, who does it, and what became of it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from qala.kernel.ids import new_id
from qala.kernel.languages import pick_text

from .. import rules


class OrderState(models.TextChoices):
    """Where a work order stands."""

    DRAFT = "draft", _("draft")
    ORDERED = "ordered", _("ordered")
    ACCEPTED = "accepted", _("accepted")
    UNDER_WAY = "under_way", _("under way")
    DONE = "done", pgettext_lazy("work order", "done")
    CHECKED = "checked", _("checked")
    RETURNED = "returned", _("sent back")
    CANCELLED = "cancelled", _("cancelled")


class Priority(models.IntegerChoices):
    """How soon a work order is wanted; the smallest first."""

    URGENT = 1, _("urgent")
    HIGH = 2, _("high")
    NORMAL = 3, _("normal")
    LOW = 4, _("low")


class Moment(models.TextChoices):
    """When in the course of the work a photo was taken."""

    BEFORE = "before", _("before the work")
    AFTER = "after", _("after the work")


class Crew(models.Model):
    """People of an organisation who do work orders together."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    name_kk = models.CharField(max_length=200, blank=True)
    name_ru = models.CharField(max_length=200, blank=True)
    name_en = models.CharField(max_length=200, blank=True)
    closed_at = models.DateTimeField(null=True)
    is_demo = models.BooleanField(default=False)

    present: list[CrewMember]  # set by the store: who is in it at the time that was asked for

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name_kk="", name_ru="", name_en=""), name="crew_has_a_name"),
        ]
        indexes = [models.Index(fields=["organisation"], name="crew_by_organisation")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in the language of the page; where it lacks, in the next of ``FALL_BACK``."""
        return pick_text(get_language(), {"kk": self.name_kk, "ru": self.name_ru, "en": self.name_en})[0]


class CrewMember(models.Model):
    """Somebody in a crew over ``[valid_from, valid_to)``; ``None``: until further notice."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    crew = models.ForeignKey(Crew, on_delete=models.CASCADE, related_name="members")
    person = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")), name="crew_member_in_order"
            ),
            models.UniqueConstraint(
                fields=["crew", "person"], condition=Q(valid_to__isnull=True), name="crew_member_once"
            ),
        ]
        indexes = [models.Index(fields=["person", "valid_from"], name="crew_member_by_person")]

    def __str__(self) -> str:
        return f"{self.crew_id} {self.person_id}"


class OrderNumber(models.Model):
    """The last number of a work order that was given in a year."""

    year = models.PositiveSmallIntegerField(primary_key=True)
    last = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.year}-{self.last:06d}"


class WorkOrder(models.Model):
    """A piece of work that one organisation orders and one does, on an asset, at a place, or at a point."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.CharField(max_length=12, unique=True)
    kind = models.ForeignKey("works.Kind", on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    asset = models.ForeignKey("works.Asset", null=True, on_delete=models.PROTECT, related_name="orders")
    place = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    district = models.ForeignKey("places.Place", null=True, on_delete=models.PROTECT, related_name="+")
    address = models.CharField(max_length=200, blank=True)
    lon = models.FloatField(null=True)
    lat = models.FloatField(null=True)
    h3_cell = models.CharField(max_length=16, blank=True)
    owner = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    contractor = models.ForeignKey("people.Organisation", null=True, on_delete=models.PROTECT, related_name="+")
    crew = models.ForeignKey(Crew, null=True, on_delete=models.PROTECT, related_name="orders")
    priority = models.PositiveSmallIntegerField(default=Priority.NORMAL, choices=Priority.choices)
    due_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=9, default=OrderState.DRAFT, choices=OrderState.choices)
    state_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    ordered_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    source = models.CharField(max_length=32, blank=True)
    source_key = models.CharField(max_length=200, blank=True)
    is_demo = models.BooleanField(default=False)

    overdue: bool  # set by the store: open after it was due, at the time that was asked for

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=list(rules.ALL_STATES)), name="order_known_state"),
            models.CheckConstraint(condition=Q(priority__gte=1, priority__lte=4), name="order_known_priority"),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "cancelled"]) | Q(contractor__isnull=False, ordered_at__isnull=False),
                name="order_has_a_contractor",
            ),
            models.CheckConstraint(
                condition=Q(lon__isnull=True, lat__isnull=True)
                | Q(
                    lon__isnull=False,
                    lat__isnull=False,
                    lon__gte=-180,
                    lon__lte=180,
                    lat__gte=-90,
                    lat__lte=90,
                ),
                name="order_on_earth",
            ),
            models.CheckConstraint(
                condition=Q(asset__isnull=False) | Q(place__isnull=False) | Q(lon__isnull=False),
                name="order_is_somewhere",
            ),
            models.UniqueConstraint(
                fields=["source", "source_key"], condition=~Q(source=""), name="order_once_a_source"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "state"], name="order_by_owner"),
            models.Index(fields=["contractor", "state"], name="order_by_contractor"),
            models.Index(fields=["crew", "state"], name="order_by_crew"),
            models.Index(fields=["state", "due_at"], name="order_by_due"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_open(self) -> bool:
        return self.state in rules.OPEN_STATES


class OrderStep(models.Model):
    """An order's way from one state to another: when, by whom and why. The first comes from no state."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(WorkOrder, on_delete=models.CASCADE, related_name="steps")
    since = models.CharField(max_length=9, blank=True)
    to = models.CharField(max_length=9, choices=OrderState.choices)
    at = models.DateTimeField()
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["order", "at"], name="order_step_by_order"),
            models.Index(fields=["who_id"], condition=Q(who_id__isnull=False), name="order_step_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.since} → {self.to}"


class OrderItem(models.Model):
    """A line of an order's checklist, and who ticked it when."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(WorkOrder, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField()
    title_kk = models.CharField(max_length=200, blank=True)
    title_ru = models.CharField(max_length=200, blank=True)
    title_en = models.CharField(max_length=200, blank=True)
    ticked_at = models.DateTimeField(null=True)
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "position"], name="order_item_once")]
        indexes = [models.Index(fields=["who_id"], condition=Q(who_id__isnull=False), name="order_item_by_person")]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return pick_text(get_language(), {"kk": self.title_kk, "ru": self.title_ru, "en": self.title_en})[0]


class OrderNote(models.Model):
    """What somebody wrote to an order: a comment, a material that went into it, or minutes of work."""

    COMMENT, MATERIAL, TIME = "comment", "material", "time"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(WorkOrder, on_delete=models.CASCADE, related_name="notes")
    kind = models.CharField(max_length=8, default=COMMENT)
    text = models.CharField(max_length=2000)
    minutes = models.PositiveIntegerField(null=True)
    at = models.DateTimeField()
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["comment", "material", "time"]), name="order_note_kind"),
            models.CheckConstraint(
                condition=Q(kind="time", minutes__isnull=False, minutes__gte=1)
                | (~Q(kind="time") & Q(minutes__isnull=True)),
                name="order_note_minutes",
            ),
        ]
        indexes = [
            models.Index(fields=["order", "at"], name="order_note_by_order"),
            models.Index(fields=["who_id"], condition=Q(who_id__isnull=False), name="order_note_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind}"


class OrderPhoto(models.Model):
    """A photo of an order, from before or after the work."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(WorkOrder, on_delete=models.CASCADE, related_name="photos")
    media = models.ForeignKey("kernel.MediaFile", on_delete=models.PROTECT, related_name="+")
    moment = models.CharField(max_length=6, choices=Moment.choices)
    at = models.DateTimeField()
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(moment__in=["before", "after"]), name="order_photo_moment"),
        ]
        indexes = [
            models.Index(fields=["order", "at"], name="order_photo_by_order"),
            models.Index(fields=["who_id"], condition=Q(who_id__isnull=False), name="order_photo_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.moment}"
