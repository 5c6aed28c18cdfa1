from __future__ import annotations

from django.urls import path

from . import my

app_name = "my_meters"
urlpatterns = [
    path("meters/", my.meter_list, name="list"),
    path("meters/<uuid:key>/", my.meter_page, name="meter"),
    path("meters/<uuid:key>/readings.csv", my.download, name="download"),
]
