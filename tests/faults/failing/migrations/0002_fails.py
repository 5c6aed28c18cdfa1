from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("failing", "0001_works")]

    operations = [migrations.RunSQL("SELECT * FROM a_table_that_is_not_there")]
