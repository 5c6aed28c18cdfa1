from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import qala.kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0009_border_moved"),
        ("people", "0003_tokens"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ClaimAttempt",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("at", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["person", "at"], name="claim_attempt_by_person"),
                    models.Index(fields=["address", "at"], name="claim_attempt_by_address"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ClaimCode",
            fields=[
                (
                    "id",
                    models.UUIDField(default=qala.kernel.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("meter_point", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("valid_from", models.DateTimeField(null=True)),
                ("made_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "made_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["owner", "meter_point", "-made_at"], name="claim_code_by_point")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("made_at"))),
                        name="claim_code_ends_after_its_start",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DevicePoint",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("meter_point", models.CharField(max_length=64)),
                ("valid_from", models.DateTimeField(null=True)),
                ("valid_to", models.DateTimeField()),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="points", to="devices.device"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["meter_point"], name="device_point_by_code")],
                "constraints": [
                    models.UniqueConstraint(fields=("device", "valid_to"), name="device_point_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_from__isnull", True), ("valid_to__gt", models.F("valid_from")), _connector="OR"
                        ),
                        name="device_point_in_order",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Occupancy",
            fields=[
                (
                    "id",
                    models.UUIDField(default=qala.kernel.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("meter_point", models.CharField(max_length=64)),
                ("erased_at", models.DateTimeField(null=True)),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(null=True)),
                ("source", models.CharField(max_length=20)),
                ("entered_at", models.DateTimeField()),
                (
                    "entered_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="people.organisation",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["owner", "meter_point", "valid_from"], name="occupancy_by_point"),
                    models.Index(fields=["person", "valid_from"], name="occupancy_by_person"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("erased_at__isnull", True), ("organisation__isnull", True), ("person__isnull", False)
                            ),
                            models.Q(
                                ("erased_at__isnull", True), ("organisation__isnull", False), ("person__isnull", True)
                            ),
                            models.Q(
                                ("erased_at__isnull", False), ("organisation__isnull", True), ("person__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="occupancy_has_one_occupant",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_to__isnull", True), ("valid_to__gt", models.F("valid_from")), _connector="OR"
                        ),
                        name="occupancy_in_order",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("meter_point", ""), _negated=True), name="occupancy_has_a_point"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["console", "api", "file", "code", "demo"])),
                        name="occupancy_known_source",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("person__isnull", False), ("valid_to__isnull", True)),
                        fields=("owner", "meter_point", "person"),
                        name="occupancy_once_open_person",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("organisation__isnull", False), ("valid_to__isnull", True)),
                        fields=("owner", "meter_point", "organisation"),
                        name="occupancy_once_open_org",
                    ),
                ],
            },
        ),
    ]
