from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from . import my

app_name = "my_meters"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="my_meters:list"), name="home"),
    path("meters/", my.meter_list, name="list"),
    path("meters/<uuid:key>/", my.meter_page, name="meter"),
    path("meters/<uuid:key>/readings.csv", my.download, name="download"),
]
