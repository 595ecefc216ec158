from typing import Any

from django.apps import AppConfig


def _stamp(**_: Any) -> None:
    from virage.core.fhir.reindex.table import stamp_when_empty

    stamp_when_empty()


class ReindexConfig(AppConfig):
    """Indexes anew what is stored when what is indexed changes."""

    name = "virage.core.fhir.reindex"
    label = "reindex"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        post_migrate.connect(_stamp, sender=self, dispatch_uid="reindex-stamp")
