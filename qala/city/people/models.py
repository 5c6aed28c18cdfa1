"""Persons, organisations, roles, and who holds which role where."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from qala.kernel.ids import new_id
from qala.kernel.languages import pick_text

from . import rules


class PersonManager(BaseUserManager["Person"]):
    """Finds persons by e-mail address whatever the case it is written in."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(email=(username or "").strip().lower())

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Person:
        """A new person; without a password they sign in by one-time code only."""
        person = self.model(email=email.strip().lower(), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser):
    """Somebody who signs in. What they may do comes from memberships alone."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(_("e-mail"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=200)
    phone = models.CharField(_("phone"), max_length=16, null=True, unique=True)  # as E.164, proved to be theirs
    language = models.CharField(
        _("language"), max_length=2, blank=True, choices=[(one, one) for one in rules.LANGUAGES]
    )
    is_active = models.BooleanField(default=True)
    is_demo = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=timezone.now)
    invitation = models.UUIDField(null=True, unique=True, editable=False)  # of the one link that is good now
    invited_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)  # since then there is nobody behind it, and nothing that names one

    ACTIVE, INVITED, DISABLED = "active", "invited", "disabled"

    objects: ClassVar[PersonManager] = PersonManager()
    shown_memberships: list[Membership]  # set by the store: those that the asker may know of
    lacks_second_factor: bool = False  # set by store.who_of: a role wants one, so they hold nothing until they have it

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("persons")
        indexes = [
            models.Index(fields=["name", "id"], name="person_by_name"),
            models.Index(fields=["last_login", "id"], name="person_by_last_sign_in"),
        ]
        constraints = [
            # together with the unique column: one address, one person, whatever the case it is written in
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="person_email_is_lower_case"),
            models.CheckConstraint(
                condition=models.Q(language__in=["", *rules.LANGUAGES]), name="person_known_language"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def state(self) -> str:
        """``active``, ``invited`` (has not come in yet) or ``disabled``; ``IN_STATE`` asks the database the same."""
        if not self.is_active:
            return self.DISABLED
        return self.INVITED if self.invitation is not None and self.last_login is None else self.ACTIVE

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.get_full_name()


_WAITING = models.Q(invitation__isnull=False, last_login__isnull=True)
IN_STATE = {
    Person.ACTIVE: models.Q(is_active=True) & ~_WAITING,
    Person.INVITED: models.Q(is_active=True) & _WAITING,
    Person.DISABLED: models.Q(is_active=False),
}


class ErasureRequest(models.Model):
    """A person asked to be erased; it is done when the waiting time is over, unless they think better of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="erasure_requests")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("request for erasure")
        verbose_name_plural = _("requests for erasure")
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=models.Q(cancelled_at__isnull=True, done_at__isnull=True),
                name="erasure_request_once_open",
            ),
            models.CheckConstraint(
                condition=models.Q(cancelled_at__isnull=True) | models.Q(done_at__isnull=True),
                name="erasure_request_one_outcome",
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["due_at"], name="erasure_request_by_due")]

    def __str__(self) -> str:
        return f"{self.person_id} {self.asked_at:%Y-%m-%d %H:%M}"


class Organisation(models.Model):
    """A body that owns things and employs people: the city's departments, utilities, contractors, district offices."""

    KINDS = (
        ("department", _("department")),
        ("utility", _("utility")),
        ("contractor", _("contractor")),
        ("university", _("university")),
        ("company", _("company")),
        ("district_office", _("district office")),
    )

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField(max_length=50, unique=True)
    kind = models.CharField(max_length=20, choices=KINDS)
    name_kk = models.CharField(max_length=200, blank=True)
    name_ru = models.CharField(max_length=200, blank=True)
    name_en = models.CharField(max_length=200, blank=True)
    is_demo = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    kind__in=["department", "utility", "contractor", "university", "company", "district_office"]
                ),
                name="organisation_known_kind",
            ),
            models.CheckConstraint(
                condition=~models.Q(name_kk="", name_ru="", name_en=""), name="organisation_has_a_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def names(self) -> dict[str, str]:
        return {"kk": self.name_kk, "ru": self.name_ru, "en": self.name_en}

    @property
    def name(self) -> str:
        """The name in the active language; where it is missing, in the next of ``FALL_BACK``."""
        return pick_text(get_language(), self.names)[0]

    @property
    def name_language(self) -> str:
        """The language that ``name`` is really in; another than the active one wants a "not translated" mark."""
        return pick_text(get_language(), self.names)[1]


class Role(models.Model):
    """A bundle of permissions. The default roles are made by ``actions.prepare_roles``; a city may change them."""

    key = models.SlugField(primary_key=True, max_length=50)
    title_kk = models.CharField(max_length=100, blank=True)
    title_ru = models.CharField(max_length=100, blank=True)
    title_en = models.CharField(max_length=100, blank=True)
    permissions = models.JSONField(default=list)  # keys of declared permissions, sorted
    offered = models.JSONField(default=list)  # keys that plugs ever offered: what was taken away is not given back
    needs_second_factor = models.BooleanField(default=False)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints = [
            models.CheckConstraint(condition=~models.Q(title_kk="", title_ru="", title_en=""), name="role_has_a_title"),
            # what an update ships is there for good: a city changes it, or gives it to nobody
            models.CheckConstraint(
                condition=~models.Q(key=rules.ADMINISTRATOR) | models.Q(retired_at__isnull=True),
                name="role_administrator_stays",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The title in the active language."""
        return pick_text(get_language(), {"kk": self.title_kk, "ru": self.title_ru, "en": self.title_en})[0]


class Membership(models.Model):
    """A person holds a role in an organisation, or in the whole city, over ``[valid_from, valid_to)``."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="memberships")
    organisation = models.ForeignKey(
        Organisation, on_delete=models.PROTECT, related_name="memberships", null=True, blank=True
    )
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(valid_to__isnull=True) | models.Q(valid_to__gt=models.F("valid_from")),
                name="membership_ends_after_its_start",
            ),
            models.UniqueConstraint(
                fields=["person", "role", "organisation"],
                condition=models.Q(valid_to__isnull=True),
                name="membership_once_open_in_an_organisation",
            ),
            # null organisations differ from each other in a unique index, so the whole city needs its own
            models.UniqueConstraint(
                fields=["person", "role"],
                condition=models.Q(valid_to__isnull=True, organisation__isnull=True),
                name="membership_once_open_in_the_city",
            ),
            # an administrator holds what reaches everywhere, which one organisation cannot give
            models.CheckConstraint(
                condition=~models.Q(role=rules.ADMINISTRATOR) | models.Q(organisation__isnull=True),
                name="membership_administrator_of_the_city",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.role_id} {self.organisation_id or 'city'}"


class SignIn(models.Model):
    """A session under way, for the person's own list; the session itself is Django's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    began_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True)  # of the machine; empty behind a proxy
    agent = models.CharField(max_length=300, blank=True)  # what the browser says of itself

    class Meta:
        verbose_name = _("signed-in session")
        verbose_name_plural = _("signed-in sessions")

    def __str__(self) -> str:
        return f"{self.person_id} {self.began_at:%Y-%m-%d %H:%M}"

    @property
    def device(self) -> str:
        """Browser and system in a word each, e.g. ``Firefox · Linux``."""
        return rules.device_of(self.agent)


class Token(models.Model):
    """What a program asks the API with: of a person, or of an organisation (a service account, e.g. a gateway's).

    The secret itself is not kept, only its hash.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="tokens")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, null=True, related_name="tokens")
    sha256 = models.CharField(max_length=64, unique=True)
    permissions = models.JSONField(default=list)  # keys, sorted
    organisations = models.JSONField(default=list)  # ids that a person's token is narrowed to; empty: all of theirs
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(person__isnull=True, organisation__isnull=False)
                | models.Q(person__isnull=False, organisation__isnull=True),
                name="token_has_one_owner",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("made_at")), name="token_ends_after_its_start"
            ),
        ]

    def __str__(self) -> str:
        return self.name
