"""Rows that the kernel keeps for every matter: the audit, the outbox, what is searched and what is published."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext as _

from .ids import new_id


class AuditEntry(models.Model):
    """Who changed what, from what to what, and why. Append-only: the database refuses update and delete.

    ``digest`` covers the row and the digest before it in its chain; ``qala.kernel.audit`` alone writes rows. The name of
    a person stands beside the chain (``AuditName``), so that it can be cut; the row has its salted digest.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField()
    who_kind = models.CharField(max_length=10)
    who_id = models.UUIDField(null=True)
    who_name = models.CharField(max_length=200)
    verb = models.CharField(max_length=80)
    thing_kind = models.CharField(max_length=80)
    thing_key = models.CharField(max_length=200)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    why = models.TextField(blank=True)
    lane = models.PositiveSmallIntegerField()
    number = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lane", "number"], name="audit_chain")]
        indexes = [
            models.Index(fields=["thing_kind", "thing_key", "at"], name="audit_by_thing"),
            models.Index(fields=["who_id", "at"], name="audit_by_person"),
            models.Index(fields=["at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.who_name} {self.verb} {self.thing_kind} {self.thing_key}"

    @property
    def shown_name(self) -> str:
        """The name of who did it, where the row was asked for with it (``audit.entries``); else what the row has."""
        if not self.who_name.startswith(AuditName.MARK):
            return self.who_name
        return getattr(self, "known_name", None) or _("erased person")


class AuditName(models.Model):
    """A name that somebody had in the audit: ``code`` is the SHA-256 of salt and name. An erasure deletes it."""

    MARK = "name:"

    code = models.CharField(primary_key=True, max_length=64)
    who_id = models.UUIDField()
    name = models.CharField(max_length=200)
    salt = models.CharField(max_length=32)

    class Meta:
        # not unique: who writes a new name at once with others must not wait for them, so a name may stand here twice
        indexes = [models.Index(fields=["who_id", "name"], name="audit_name_by_person")]

    def __str__(self) -> str:
        return self.name


class OutboxEvent(models.Model):
    """News of a matter, written in the transaction of the change it tells of."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80)
    payload = models.JSONField()
    told_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["name", "told_at"], name="outbox_by_name")]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


class OutboxDelivery(models.Model):
    """One event on its way to one handler."""

    DUE, CLAIMED, DONE, FAILED = "due", "claimed", "done", "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event = models.ForeignKey(OutboxEvent, on_delete=models.CASCADE, related_name="deliveries")
    handler = models.CharField(max_length=200)
    state = models.CharField(max_length=8, default=DUE)
    due_at = models.DateTimeField()
    claim = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "handler"], name="outbox_once_a_handler"),
            models.CheckConstraint(
                condition=models.Q(state__in=["due", "claimed", "done", "failed"]), name="outbox_known_state"
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="outbox_due")]

    def __str__(self) -> str:
        return f"{self.handler} {self.state}"


class SearchRow(models.Model):
    """The folded text by which one thing is found; ``qala.kernel.search`` alone reads and writes it."""

    kind = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    text = models.TextField()

    class Meta:
        db_table = "kernel_search"
        constraints = [
            # key first: led by kind, this index tempts SQLite to walk a whole kind rather than the words' matches
            models.UniqueConstraint(fields=["key", "kind"], name="search_once_a_thing"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class PublishedValue(models.Model):
    """A value that the city has published. Frozen: the database refuses update and delete.

    A cell without ``n`` is suppressed; ``reason`` says so, without telling which cell of its family was the small one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    measure = models.CharField(max_length=120)
    subject = models.CharField(max_length=200)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    grain = models.CharField(max_length=10)
    dimensions = models.CharField(max_length=500, default="{}")
    value = models.FloatField(null=True)
    n = models.BigIntegerField(null=True)
    lower = models.FloatField(null=True)
    upper = models.FloatField(null=True)
    reason = models.CharField(max_length=20, blank=True)
    published_at = models.DateTimeField()
    measure_version = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["measure", "subject", "period_start", "grain", "dimensions"], name="published_once"
            ),
            models.CheckConstraint(
                condition=models.Q(period_end__gt=models.F("period_start")), name="published_period"
            ),
            models.CheckConstraint(
                condition=models.Q(reason="", n__isnull=False)
                | models.Q(reason="suppressed", value=None, n=None, lower=None, upper=None),
                name="published_or_suppressed",
            ),
        ]
        indexes = [models.Index(fields=["measure", "period_start", "grain"], name="published_by_period")]

    def __str__(self) -> str:
        return f"{self.measure} {self.subject} {self.grain} {self.period_start:%Y-%m-%d %H:%M}"


class StorageDay(models.Model):
    """What one part of the city took on disk, as measured last on a day of the city."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    day = models.DateField()
    part = models.CharField(max_length=20)
    bytes = models.BigIntegerField()
    measured_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "part"], name="storage_once_a_day"),
            models.CheckConstraint(condition=models.Q(bytes__gte=0), name="storage_bytes"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.part} {self.bytes}"


class MediaFile(models.Model):
    """A picture that somebody handed in, for one owner; ``qala.kernel.media`` keeps its file, by digest.

    Whoever shows it points at this row and checks who asks; a row that nothing points at any more is removed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.UUIDField(null=True)
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    kept_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["sha256"], name="media_by_digest"),
            models.Index(fields=["kept_at"], name="media_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} {self.width}×{self.height}"


class RetentionRule(models.Model):
    """How long one class of rows is kept, where somebody chose; ``key`` as a plug declares it.

    Rows of before ``horizon`` are gone or going: it never moves back, also where the class is kept longer later.
    """

    key = models.CharField(primary_key=True, max_length=80)
    chosen = models.BooleanField(default=False)
    days = models.PositiveIntegerField(null=True)
    horizon = models.DateTimeField(null=True)
    ran_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(days__isnull=True) | models.Q(days__gte=1), name="retention_days_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.days or 'for ever'}"
