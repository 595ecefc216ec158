from django.apps import AppConfig


class PscConfig(AppConfig):
    name = "virage.trust.psc"
    label = "psc"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Pro Santé Connect"

    def ready(self) -> None:
        """Tell the machine interfaces who gives the tokens that they take."""
        from virage.core import accounts
        from virage.core.accounts.provider.issuers import discovery
        from virage.trust.psc.issuer import PSC

        accounts.register_authorization(lambda: discovery(PSC))
