"""Keeping kinds of assets and of work orders."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.errors import Conflict

from ..models import Asset, Kind
from ..rules import AssetKind, Kinds, OrderKind
from ..store import shipped_kinds
from .checks import require_everywhere


def prepare_kinds(*, who: Who, now: datetime) -> int:
    """Make those of the shipped kinds that the city lacks; what a city changed stays. Returns how many were made."""
    return _keep(shipped_kinds(), who=who, now=now, change=False)[0]


def keep_kinds(*, kinds: Kinds, who: Who, now: datetime) -> tuple[int, int]:
    """Make kinds that are new and bring those that are there up to date.

    Returns:
        (how many were made, how many changed)

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage assets of the whole city.
        Conflict: assets have values of an attribute that a kind would not have any more.
    """
    require_everywhere(who, "works.manage_assets")
    return _keep(kinds, who=who, now=now, change=True)


@transaction.atomic
def _keep(kinds: Kinds, *, who: Who, now: datetime, change: bool) -> tuple[int, int]:
    there = {(one.of, one.key): one for one in Kind.objects.all()}
    wanted: list[tuple[str, AssetKind | OrderKind]] = [
        *((Kind.ASSET, one) for one in kinds.asset), *((Kind.ORDER, one) for one in kinds.order)
    ]  # fmt: skip
    made = changed = 0
    for of, spec in wanted:
        row = there.get((of, spec.key))
        content = spec.model_dump(mode="json")
        if row is not None and (not change or row.content == content):
            continue
        if row is not None and isinstance(spec, AssetKind):
            _refuse_lost(row, spec)
        before = None if row is None else row.content
        row = row or Kind(of=of, key=spec.key)
        row.title_kk, row.title_ru, row.title_en, row.content = spec.kk, spec.ru, spec.en, content
        row.save()
        made, changed = (made + 1, changed) if before is None else (made, changed + 1)
        audit.record(
            who=who, now=now, verb="works.keep_kinds", thing=f"{of}_kind", key=spec.key, before=before, after=content
        )
    return made, changed


def _refuse_lost(row: Kind, spec: AssetKind) -> None:
    lost = {one.key for one in row.as_asset.attribute} - {one.key for one in spec.attribute}
    for key in sorted(lost):
        if Asset.objects.filter(kind=row, attributes__has_key=key).exists():
            raise Conflict(
                _("Assets of the kind {kind} have the attribute {attribute}.").format(kind=row.key, attribute=key),
                fix=_("Leave it in the kind."),
            )
