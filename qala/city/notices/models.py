"""What people are told: notices, their deliveries by channel, and what each person wants to hear and when."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from qala.kernel.ids import new_id

from . import rules


class Notice(models.Model):
    """Something that happened, for one person. Its words are made when it is shown or sent: ``data`` holds the facts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event = models.UUIDField()  # of the outbox; a digest has an id of its own
    kind = models.CharField(max_length=60)
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    organisation = models.ForeignKey("people.Organisation", null=True, on_delete=models.PROTECT, related_name="+")
    is_own = models.BooleanField(default=False)  # of what the person did: seen without a role in that organisation
    about = models.CharField(max_length=200, blank=True)  # the thing; where a kind is told once a while of each thing
    data = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    is_shown = models.BooleanField(default=True)  # in the console; a person may want the mail alone
    read_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [
            models.UniqueConstraint(fields=["event", "kind", "person"], name="notice_once_an_event"),
        ]
        indexes = [
            models.Index(fields=["person", "-made_at"], name="notice_by_person"),
            models.Index(
                fields=["person", "kind"], condition=Q(read_at__isnull=True, is_shown=True), name="notice_unread"
            ),
            models.Index(fields=["kind", "about", "-made_at"], condition=~Q(about=""), name="notice_by_thing"),
            models.Index(fields=["made_at"], name="notice_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.person_id} {self.made_at:%Y-%m-%d %H:%M}"


class Delivery(models.Model):
    """A notice on its way through one channel, and the words that went out."""

    IN_APP, EMAIL = "in_app", "email"
    CHANNELS = ((IN_APP, _("in the console")), (EMAIL, _("e-mail")))
    WAITING, SENT, FAILED, GIVEN_UP, MERGED = "waiting", "sent", "failed", "given_up", "merged"
    STATES = (
        (WAITING, _("waiting")), (SENT, _("sent")), (FAILED, _("failed, will be tried again")),
        (GIVEN_UP, _("given up")), (MERGED, _("merged into a digest")),
    )  # fmt: skip

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, choices=CHANNELS)
    state = models.CharField(max_length=10, choices=STATES, default=WAITING)
    made_at = models.DateTimeField()
    address = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    in_digest = models.BooleanField(default=False)  # waits for its person's next digest
    next_try_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    first_tried_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)  # of the worker that sends it, until its lease ends
    leased_until = models.DateTimeField(null=True)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="merged")

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["notice", "channel"], name="delivery_once_a_channel"),
            models.CheckConstraint(condition=Q(channel__in=["in_app", "email"]), name="delivery_known_channel"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sent", "failed", "given_up", "merged"]), name="delivery_known_state"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "failed"], next_try_at__isnull=False)
                | Q(state__in=["sent", "given_up", "merged"], next_try_at__isnull=True),
                name="delivery_has_a_next_try_or_is_over",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | ~Q(state="sent") & Q(sent_at__isnull=True),
                name="delivery_sent_at_an_instant",
            ),
            models.CheckConstraint(
                condition=Q(state="merged", merged_into__isnull=False)
                | ~Q(state="merged") & Q(merged_into__isnull=True),
                name="delivery_merged_into_one",
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(next_try_at__isnull=False), name="delivery_due"),
            models.Index(fields=["-made_at", "-id"], name="delivery_by_time"),
            models.Index(fields=["state", "-made_at", "-id"], name="delivery_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.state} {self.notice_id}"


class Attempt(models.Model):
    """One try to hand a delivery over, and how it ended."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)  # empty: it was taken

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="attempt_once_a_number")]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.number}"


class Preference(models.Model):
    """When a person wants mails: in a digest or one by one, and at which hours none at all, in the city's zone."""

    DIGESTS = ((rules.OFF, _("each one by itself")), (rules.DAILY, _("once a day")), (rules.WEEKLY, _("on Mondays")))

    person = models.OneToOneField("people.Person", on_delete=models.CASCADE, primary_key=True, related_name="+")
    digest = models.CharField(max_length=6, choices=DIGESTS, default=rules.OFF)
    digest_hour = models.PositiveSmallIntegerField(default=8)
    quiet_from = models.TimeField(null=True)
    quiet_to = models.TimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(digest__in=["off", "daily", "weekly"]), name="preference_known_digest"),
            models.CheckConstraint(condition=Q(digest_hour__lte=23), name="preference_hour_of_a_day"),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_to__isnull=True)
                | Q(quiet_from__isnull=False, quiet_to__isnull=False) & ~Q(quiet_from=F("quiet_to")),
                name="preference_quiet_hours_have_two_ends",
            ),
        ]

    def __str__(self) -> str:
        return str(self.person_id)

    @property
    def plan(self) -> rules.Plan:
        return rules.Plan(self.digest, self.digest_hour, self.quiet_from, self.quiet_to)


class Choice(models.Model):
    """Through which channels a person hears of one kind, where that is not as the kind comes."""

    id = models.BigAutoField(primary_key=True)
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=60)
    in_app = models.BooleanField()
    email = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind"], name="choice_once_a_kind")]

    def __str__(self) -> str:
        return f"{self.person_id} {self.kind}"
