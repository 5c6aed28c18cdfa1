from __future__ import annotations

from django.urls import path

from . import audit, operation, retention, storage, views

app_name = "console"
urlpatterns = [
    path("", views.home, name="home"),
    path("map/", views.map_page, name="map"),
    path("map/layer/<str:key>.geojson", views.map_layer, name="map_layer"),
    path("audit/", audit.audit_page, name="audit"),
    path("operation/", operation.operation_page, name="operation"),
    path("operation/storage/", storage.storage_page, name="storage"),
    path("operation/storage/retention/", retention.retention_page, name="retention"),
    path("operation/repeat/", operation.repeat, name="operation_repeat"),
    path("style/", views.style, name="style"),
]
