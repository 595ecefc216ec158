"""The INS room as a Django application."""

from django.apps import AppConfig


class InsConfig(AppConfig):
    """Identities and the reference base; the guard on patients stands from the start of every process."""

    name = "virage.trust.ins"
    label = "ins"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Put the guard at the doors of every FHIR base, whatever room is asked."""
        from virage.trust.ins import guard

        guard.install()
