"""Writes of people: each in one transaction with its audit row."""

from __future__ import annotations

from .checks import MANAGE
from .erasure import ask_erasure, cancel_erasure, erase_account, erase_again, erase_due, erase_person
from .invitations import accept_invitation, invite, invite_again
from .memberships import end_membership, join
from .organisations import change_organisation, close_organisation, create_organisation, reopen_organisation
from .outside import join_outside_account, leave_outside_account
from .persons import (
    create_first_administrator,
    create_person,
    disable_person,
    enable_person,
    index_persons,
    set_language,
    set_name,
    set_own_data,
    set_password,
)
from .phone import set_phone
from .roles import DEFAULT_ROLES, change_role, create_role, prepare_roles, retire_role
from .second_factor import note_second_factor, reset_second_factor
from .sessions import begin_session, end_session, end_sessions, forget_sign_ins, note_seen
from .tokens import create_token, renew_token, revoke_token

__all__ = [
    "DEFAULT_ROLES",
    "MANAGE",
    "accept_invitation",
    "ask_erasure",
    "begin_session",
    "cancel_erasure",
    "change_organisation",
    "change_role",
    "close_organisation",
    "create_first_administrator",
    "create_organisation",
    "create_person",
    "create_role",
    "create_token",
    "disable_person",
    "enable_person",
    "end_membership",
    "end_session",
    "end_sessions",
    "erase_account",
    "erase_again",
    "erase_due",
    "erase_person",
    "forget_sign_ins",
    "index_persons",
    "invite",
    "invite_again",
    "join",
    "join_outside_account",
    "leave_outside_account",
    "note_second_factor",
    "note_seen",
    "prepare_roles",
    "renew_token",
    "reopen_organisation",
    "reset_second_factor",
    "retire_role",
    "revoke_token",
    "set_language",
    "set_name",
    "set_own_data",
    "set_password",
    "set_phone",
]
