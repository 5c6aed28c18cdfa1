from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import qala.kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0005_lists"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="erased_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="ErasureRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(default=qala.kernel.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("asked_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasure_requests",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "request for erasure",
                "verbose_name_plural": "requests for erasure",
                "indexes": [models.Index(fields=["due_at"], name="erasure_request_by_due")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("cancelled_at__isnull", True), ("done_at__isnull", True)),
                        fields=("person",),
                        name="erasure_request_once_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cancelled_at__isnull", True), ("done_at__isnull", True), _connector="OR"),
                        name="erasure_request_one_outcome",
                    ),
                ],
            },
        ),
    ]
