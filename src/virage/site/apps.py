from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Wires the rooms to the engines once Django is set up."""

    name = "virage.site"
    label = "site"

    def ready(self) -> None:
        from virage.core import events
        from virage.core.fhir.service import register
        from virage.site import house

        for service in house.fhir_services():
            register(service)

        for room in house.rooms():
            for name, handler in room.handlers.items():
                events.hear(name, room.name, handler)
