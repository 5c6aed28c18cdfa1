from __future__ import annotations

from django.urls import path

from . import credentials, device_loads, life, models, points, views

app_name = "devices"
urlpatterns = [
    path("devices/", views.device_list, name="list"),
    path("loads/devices/", device_loads.load_page, name="load_devices"),
    path("loads/devices/<uuid:key>/", device_loads.result_page, name="device_load"),
    path("loads/devices/<uuid:key>/refused.csv", device_loads.download_refused, name="refused_devices"),
    path("devices/<str:serial>/", views.device_page, name="device"),
    path("devices/<str:serial>/readings.<str:form>", views.download_readings, name="download"),
    path("devices/<str:serial>/swap/", life.swap_page, name="swap"),
    path("devices/<str:serial>/move/", life.move_page, name="move"),
    path("devices/<str:serial>/retire/", life.retire_page, name="retire"),
    path("devices/<str:serial>/credential/", credentials.issue_one, name="credential_issue"),
    path("devices/<str:serial>/credential/end/", credentials.end_one, name="credential_end"),
    path("credentials/", credentials.credentials_page, name="credentials"),
    path("meter-points/", points.point_list, name="points"),
    path("meter-points/<str:owner>/<path:code>/claim-code", points.issue_code, name="issue_code"),
    path("meter-points/<str:owner>/<path:code>/", points.point_page, name="point"),
    path("occupancies/", points.occupancy_list, name="occupancies"),
    path("occupancies/<uuid:key>/", points.occupancy_page, name="occupancy"),
    path("loads/occupancies/", points.load_page, name="load_occupancies"),
    path("claim-codes/", points.code_list, name="claim_codes"),
    path("claim-codes/new/", points.bulk_codes, name="bulk_codes"),
    path("claim-codes/<uuid:key>/revoke/", points.revoke_code, name="revoke_code"),
    path("models/", models.model_list, name="models"),
    path("models/<slug:key>/", models.model_page, name="model"),
    path("loads/", views.load_list, name="loads"),
    path("loads/<uuid:key>/", views.load_page, name="load"),
    path("loads/<uuid:key>/refused.csv", views.download_refused, name="refused"),
]
