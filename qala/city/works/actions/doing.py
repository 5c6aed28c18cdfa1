"""What is done on a work order: lines ticked, notes written, photos added; and what erasure cuts of a person."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, media
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, TooMuch

from ..models import AssetChange, CrewMember, Moment, OrderItem, OrderNote, OrderPhoto, OrderStep, WorkOrder
from ..rules import DONE, EDITABLE, ENDED, WORKED_ON
from ..store import visible_orders
from .orders import take

DO, ORDER, CHECK = "works.do", "works.order", "works.check"
MOST_PHOTOS = 40
MOST_MINUTES = 100_000


@transaction.atomic
def tick_item(*, number: str, position: int, ticked: bool, who: Who, now: datetime) -> OrderItem:
    """Tick a line of an order's checklist, or take the tick away; again changes nothing.

    Raises:
        NotFound: the asker may not know of the order, or it has no such line.
        NotAllowed, SignInNeeded: the work is not theirs. Conflict: nobody works on it now.
    """
    order = take(number, who=who, now=now)
    _require_work(order, who)
    item = order.items.filter(position=position).first()
    if item is None:
        raise NotFound(_("The checklist has no such line."))
    if ticked == (item.ticked_at is not None):
        return item
    item.ticked_at, item.who_id, item.who_name = (now, who.id, who.name[:200]) if ticked else (None, None, "")
    item.save(update_fields=["ticked_at", "who_id", "who_name"])
    audit.record(
        who=who, now=now, verb="works.tick_item", thing="work_order", key=order.pk, before={"ticked": not ticked},
        after={"position": position, "ticked": ticked},
    )  # fmt: skip
    return item


@transaction.atomic
def add_note(
    *, number: str, who: Who, now: datetime, text: str, kind: str = OrderNote.COMMENT, minutes: int | None = None
) -> OrderNote:
    """Write to an order: a comment (whoever sees it), a material or minutes of work (who does it).

    Raises:
        NotFound: the asker may not know of the order. NotAllowed, SignInNeeded: the work is not theirs.
        Conflict: nobody works on it now. BadInput: nothing, or too much, is said.
    """
    order = take(number, who=who, now=now)
    if kind not in (OrderNote.COMMENT, OrderNote.MATERIAL, OrderNote.TIME):
        raise BadInput(_("There is no such kind of note."))
    if kind != OrderNote.COMMENT:
        _require_work(order, who)
    is_time = kind == OrderNote.TIME
    if is_time != (minutes is not None) or (minutes is not None and not 1 <= minutes <= MOST_MINUTES):
        raise BadInput(_("Give the minutes as a whole number above 0."))
    text = text.strip()
    if len(text) > 2000 or "\x00" in text or not (text or is_time):
        raise BadInput(_("Write something, 2,000 characters at most."))
    note = OrderNote.objects.create(
        order=order, kind=kind, text=text, minutes=minutes, at=now, who_id=who.id, who_name=who.name[:200]
    )
    audit.record(
        who=who,
        now=now,
        verb="works.add_note",
        thing="work_order",
        key=order.pk,
        after={"kind": kind, "minutes": minutes},
    )
    return note


def add_photo(*, number: str, data: bytes, moment: str, who: Who, now: datetime) -> OrderPhoto:
    """Add a photo from before or after the work; the same photo again is the one that is there.

    Who does the work adds it while they work on it, who ordered it before that, who checks it once it is done.

    Raises:
        NotFound: the asker may not know of the order. NotAllowed, SignInNeeded, Conflict: not theirs, or not now.
        BadInput, TooMuch: it is no picture, or too large, or there are too many.
    """
    if moment not in Moment.values:
        raise BadInput(_("A photo is from before or from after the work."))
    order = visible_orders(who, now).filter(number=number).first()
    if order is None:
        raise NotFound(_("There is no work order {number}.").format(number=number[:20]))
    _require_photo(order, who)
    picture = media.read_picture(data)  # takes its time: not inside the transaction
    with transaction.atomic():
        order = take(number, who=who, now=now)
        _require_photo(order, who)
        there = order.photos.filter(media__sha256=picture.sha256, moment=moment).first()
        if there is not None:
            return there
        if order.photos.count() >= MOST_PHOTOS:
            raise TooMuch(_("The order has {most} photos already.").format(most=MOST_PHOTOS))
        file = media.keep(picture, owner=order.owner_id, now=now)
        photo = OrderPhoto.objects.create(
            order=order, media=file, moment=moment, at=now, who_id=who.id, who_name=who.name[:200]
        )
        audit.record(
            who=who, now=now, verb="works.add_photo", thing="work_order", key=order.pk,
            after={"moment": moment, "sha256": file.sha256},
        )  # fmt: skip
    return photo


@transaction.atomic
def remove_photo(*, number: str, photo: UUID, who: Who, now: datetime) -> None:
    """Take a photo from an order; its file goes with the next cleaning.

    Raises:
        NotFound: there is none, or the asker may not know of it. NotAllowed, SignInNeeded, Conflict: see ``add_photo``.
    """
    order = take(number, who=who, now=now)
    _require_photo(order, who)
    found = order.photos.select_related("media").filter(pk=photo).first()
    if found is None:
        raise NotFound(_("There is no such photo."))
    audit.record(
        who=who, now=now, verb="works.remove_photo", thing="work_order", key=order.pk,
        before={"moment": found.moment, "sha256": found.media.sha256},
    )  # fmt: skip
    found.delete()


def may_add_photo(order: WorkOrder, who: Who) -> bool:
    """Whether the asker may add photos to the order as it stands."""
    return (
        (order.state in WORKED_ON and who.may(DO, order.contractor_id))
        or (order.state in EDITABLE and who.may(ORDER, order.owner_id))
        or (order.state == DONE and who.may(CHECK, order.owner_id))
    )


def _require_photo(order: WorkOrder, who: Who) -> None:
    if may_add_photo(order, who):
        return
    if order.state in ENDED:
        raise Conflict(_("This work is done or cancelled."))
    raise NotAllowed(_("You may not add photos to this order now."), fix=_("Ask whoever gives out the work."))


def _require_work(order: WorkOrder, who: Who) -> None:
    who.require(DO, order.contractor_id)
    if order.state not in WORKED_ON:
        raise Conflict(_("Nobody works on this order now."), fix=_("Accept it first."))


def erase_person(person: UUID, now: datetime) -> int:
    """Cut a person out of works, in the transaction of the erasure; what was done stays. Returns how many rows."""
    count = CrewMember.objects.filter(person_id=person).delete()[0]
    for model in (OrderStep, OrderItem, OrderNote, OrderPhoto, AssetChange):
        count += model._default_manager.filter(who_id=person).update(who_id=None, who_name="")
    return count
