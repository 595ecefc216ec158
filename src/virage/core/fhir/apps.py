from typing import Any

from django.apps import AppConfig


def _keep_pending_list_short(**_: Any) -> None:
    # The store is not loaded for commands that do not use it.
    from virage.core.fhir.store.pending import keep_short

    keep_short()


def _enforceable(type_: str, query: str) -> bool:
    from virage.core.fhir.constraints import enforceable

    return enforceable(type_, query)


class FhirConfig(AppConfig):
    name = "virage.core.fhir"
    label = "fhir"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from virage.core.accounts.rules import register_constraints

        register_constraints(_enforceable)

        post_migrate.connect(_keep_pending_list_short, sender=self, dispatch_uid="fhir-pending-list")
