"""Console pages of notices."""

from __future__ import annotations

from django.urls import path

from . import deliveries, mine

app_name = "notices"
urlpatterns = [
    path("", mine.notice_list, name="list"),
    path("read-all/", mine.read_all, name="read_all"),
    path("settings/", mine.settings_page, name="settings"),
    path("<uuid:key>/read/", mine.read, name="read"),
    path("<uuid:key>/open/", mine.open_notice, name="open"),
    path("deliveries/", deliveries.delivery_list, name="deliveries"),
    path("deliveries/<uuid:key>/", deliveries.delivery_page, name="delivery"),
    path("deliveries/<uuid:key>/repeat/", deliveries.repeat, name="repeat"),
    path("templates/", deliveries.templates, name="templates"),
]
