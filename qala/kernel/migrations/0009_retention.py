from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("kernel", "0008_media"),
    ]

    operations = [
        migrations.CreateModel(
            name="RetentionRule",
            fields=[
                ("key", models.CharField(max_length=80, primary_key=True, serialize=False)),
                ("chosen", models.BooleanField(default=False)),
                ("days", models.PositiveIntegerField(null=True)),
                ("horizon", models.DateTimeField(null=True)),
                ("ran_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("days__isnull", True), ("days__gte", 1), _connector="OR"),
                        name="retention_days_positive",
                    )
                ],
            },
        ),
    ]
