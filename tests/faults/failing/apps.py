"""A matter whose second migration fails, for upgrades that must be rolled back."""

from __future__ import annotations

from django.apps import AppConfig


class FailingConfig(AppConfig):
    name = "tests.faults.failing"
    label = "failing"
