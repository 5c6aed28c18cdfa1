"""Console pages of people, organisations and roles, and everybody's page about themselves."""

from __future__ import annotations

from django.urls import path

from . import me, oidc, organisations, people, phone, roles, tokens

app_name = "people"
urlpatterns = [
    path("people/", people.people_list, name="list"),
    path("people/invite/", people.invite, name="invite"),
    path("people/<uuid:key>/", people.person_page, name="person"),
    path("people/<uuid:key>/disable/", people.disable, name="disable"),
    path("people/<uuid:key>/enable/", people.enable, name="enable"),
    path("people/<uuid:key>/erase/", people.erase, name="erase"),
    path("people/<uuid:key>/reset-second-factor/", people.reset_second_factor, name="reset_second_factor"),
    path("people/<uuid:key>/invite-again/", people.invite_again, name="invite_again"),
    path("people/<uuid:key>/roles/", people.give_role, name="give_role"),
    path("people/<uuid:key>/roles/<uuid:membership>/end/", people.end_role, name="end_role"),
    path("organisations/", organisations.organisation_list, name="organisations"),
    path("organisation-new/", organisations.new, name="organisation_new"),
    path("organisations/<slug:code>/", organisations.organisation_page, name="organisation"),
    path("organisations/<slug:code>/close/", organisations.close, name="organisation_close"),
    path("organisations/<slug:code>/reopen/", organisations.reopen, name="organisation_reopen"),
    path("organisations/<slug:code>/tokens/new/", tokens.new_of_organisation, name="organisation_token_new"),
    path("roles/", roles.role_list, name="roles"),
    path("role-new/", roles.new, name="role_new"),
    path("roles/<slug:key>/", roles.role_page, name="role"),
    path("roles/<slug:key>/retire/", roles.retire, name="role_retire"),
    path("me/", me.account, name="me"),
    path("me/second-factor/", me.second_factor, name="second_factor"),
    path("me/password/", me.change_password, name="my_password"),
    path("me/tokens/new/", tokens.new_own, name="token_new"),
    path("tokens/", tokens.token_list, name="tokens"),
    path("tokens/<uuid:key>/renew/", tokens.renew, name="token_renew"),
    path("tokens/<uuid:key>/revoke/", tokens.revoke, name="token_revoke"),
    path("me/phone/", phone.phone, name="phone"),
    path("me/phone/prove/", phone.prove, name="prove_phone"),
    path("me/phone/remove/", phone.remove, name="remove_phone"),
    path("me/outside/leave/", oidc.leave, name="leave_outside"),
    path("me/sessions/end-others/", me.end_others, name="end_others"),
    path("me/sessions/<uuid:key>/end/", me.end_session, name="end_session"),
]
