"""The address that links in mails lead to; it asks for no sign-in."""

from __future__ import annotations

from django.urls import path

from . import unsubscribe

urlpatterns = [path("off/<str:secret>/", unsubscribe.turn_off, name="notices_unsubscribe")]
