import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import qala.kernel.ids


class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]

    operations = [
        migrations.AddField("person", "invitation", models.UUIDField(editable=False, null=True, unique=True)),
        migrations.AddField("person", "invited_at", models.DateTimeField(null=True)),
        migrations.AddIndex("person", models.Index(fields=["name", "id"], name="person_by_name")),
        migrations.CreateModel(
            name="SignIn",
            fields=[
                (
                    "id",
                    models.UUIDField(default=qala.kernel.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("session_key", models.CharField(max_length=40, unique=True)),
                ("began_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("address", models.CharField(blank=True, max_length=45)),
                ("agent", models.CharField(blank=True, max_length=300)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_ins",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"verbose_name": "signed-in session", "verbose_name_plural": "signed-in sessions"},
        ),
    ]
