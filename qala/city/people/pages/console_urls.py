"""Console pages of people, organisations and roles, and everybody's page about themselves."""

from __future__ import annotations

from django.urls import path

from . import me, organisations, people, roles

app_name = "people"
urlpatterns = [
    path("people/", people.people_list, name="list"),
    path("people/invite/", people.invite, name="invite"),
    path("people/<uuid:key>/", people.person_page, name="person"),
    path("people/<uuid:key>/disable/", people.disable, name="disable"),
    path("people/<uuid:key>/enable/", people.enable, name="enable"),
    path("people/<uuid:key>/invite-again/", people.invite_again, name="invite_again"),
    path("people/<uuid:key>/roles/", people.give_role, name="give_role"),
    path("people/<uuid:key>/roles/<uuid:membership>/end/", people.end_role, name="end_role"),
    path("organisations/", organisations.organisation_list, name="organisations"),
    path("organisations/new/", organisations.new, name="organisation_new"),
    path("organisations/<slug:code>/", organisations.organisation_page, name="organisation"),
    path("roles/", roles.role_list, name="roles"),
    path("roles/<slug:key>/", roles.role_page, name="role"),
    path("me/", me.account, name="me"),
    path("me/password/", me.change_password, name="my_password"),
    path("me/sessions/end-others/", me.end_others, name="end_others"),
    path("me/sessions/<uuid:key>/end/", me.end_session, name="end_session"),
]
