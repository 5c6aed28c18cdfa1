from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial")]

    operations = [
        migrations.RunSQL("CREATE TABLE failing_things (id integer)"),
        migrations.RunSQL("DELETE FROM devices_load"),
    ]
