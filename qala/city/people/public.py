"""What other matters and the site may use of people."""

from __future__ import annotations

from qala.kernel.access import ANONYMOUS

from .actions import (
    create_first_administrator,
    create_organisation,
    create_person,
    erase_again,
    join,
    note_seen,
    prepare_roles,
    set_language,
)
from .models import Membership, Organisation, Person, Role
from .rules import ADMINISTRATOR, FORWARDING_HEADERS, SEEN, SEEN_EVERY, is_loopback, may_use, remote_address
from .store import (
    count_administrators,
    find_person,
    get_organisation,
    get_role,
    holders,
    list_organisations,
    organisations_by_id,
    persons_by_email,
    persons_only_in,
    who_of,
    who_of_token,
)

__all__ = [
    "ADMINISTRATOR",
    "ANONYMOUS",
    "FORWARDING_HEADERS",
    "SEEN",
    "SEEN_EVERY",
    "Membership",
    "Organisation",
    "Person",
    "Role",
    "count_administrators",
    "create_first_administrator",
    "create_organisation",
    "create_person",
    "erase_again",
    "find_person",
    "get_organisation",
    "get_role",
    "holders",
    "is_loopback",
    "join",
    "list_organisations",
    "may_use",
    "note_seen",
    "organisations_by_id",
    "persons_by_email",
    "persons_only_in",
    "prepare_roles",
    "remote_address",
    "set_language",
    "who_of",
    "who_of_token",
]
