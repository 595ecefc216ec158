# mypy: disable-error-code="var-annotated"
"""Accounts and what proves them. Secrets are kept as digests only."""

from typing import ClassVar

from django.db import models


class Account(models.Model):
    """A person or a program known to the house.

    `subject` is what traces and decisions name (see `core.callers.Caller`). `situation` is the professional's practice as the
    directory gives it (the `exercices` of Pro Santé Connect). A software account is an OAuth client: `client_secret_digest`
    is the SHA-256 of a random secret, `client_keys` its public JWK set, `client_keys_url` where it publishes one, `scopes` the most it may ask for.
    """

    KINDS: ClassVar = [
        ("citizen", "Usager"),
        ("professional", "Professionnel"),
        ("agent", "Agent"),
        ("software", "Logiciel"),
    ]

    login = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=KINDS)
    subject = models.CharField(max_length=128, unique=True)
    name = models.CharField(max_length=200, blank=True)
    active = models.BooleanField(default=True)
    demo = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)

    family_name = models.CharField(max_length=100, blank=True)
    given_names = models.CharField(max_length=100, blank=True)
    gender = models.CharField(max_length=8, blank=True)
    birth_date = models.CharField(max_length=10, blank=True)
    birth_place = models.CharField(max_length=5, blank=True)
    birth_country = models.CharField(max_length=5, blank=True)
    ins = models.CharField(max_length=15, blank=True, db_index=True)
    ins_oid = models.CharField(max_length=64, blank=True)
    patient = models.CharField(max_length=64, blank=True)

    role = models.CharField(max_length=100, blank=True)
    profession = models.CharField(max_length=16, blank=True)
    specialty = models.CharField(max_length=16, blank=True)
    rpps = models.CharField(max_length=11, blank=True, db_index=True)
    finess = models.CharField(max_length=9, blank=True)
    structure = models.CharField(max_length=200, blank=True)
    situation = models.JSONField(default=dict, blank=True)

    pin_digest = models.CharField(max_length=64, blank=True)
    pin_failures = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True, blank=True)

    client_id = models.CharField(max_length=64, unique=True, null=True, blank=True)
    client_secret_digest = models.CharField(max_length=64, blank=True)
    client_keys = models.JSONField(default=dict, blank=True)
    client_keys_url = models.URLField(max_length=2000, blank=True)
    redirect_uris = models.JSONField(default=list, blank=True)
    logout_uris = models.JSONField(default=list, blank=True)
    scopes = models.TextField(blank=True)

    class Meta:
        db_table = "accounts_account"

    def __str__(self) -> str:
        return self.login


class Revocation(models.Model):
    """Tokens that no longer hold: `key` is `jti:…`, `grant:…`, `session:…` or `account:…`, those issued up to `since`."""

    key = models.CharField(max_length=160, primary_key=True)
    since = models.DateTimeField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "accounts_revocation"


class ProviderSession(models.Model):
    """A person signed in at a provider of ours: the next authorization passes without a new proof."""

    id = models.CharField(max_length=32, primary_key=True)
    cookie_digest = models.CharField(max_length=64, unique=True)
    issuer = models.CharField(max_length=32)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    started = models.DateTimeField()
    seen = models.DateTimeField()
    means = models.CharField(max_length=16)
    acr = models.CharField(max_length=16)
    ended = models.DateTimeField(null=True)

    class Meta:
        db_table = "accounts_provider_session"


class Grant(models.Model):
    """What a person let a client do, about which patient and encounter where it asked (SMART launch context).

    Every token of one sign-in belongs to its grant, and falls with it.
    """

    id = models.CharField(max_length=32, primary_key=True)
    issuer = models.CharField(max_length=32)
    client = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(ProviderSession, on_delete=models.CASCADE, null=True)
    scope = models.TextField()
    nonce = models.TextField(blank=True)
    purpose = models.CharField(max_length=32, default="normal")
    reason = models.TextField(blank=True)
    patient = models.CharField(max_length=64, blank=True)
    encounter = models.CharField(max_length=64, blank=True)
    started = models.DateTimeField()
    revoked = models.DateTimeField(null=True)

    class Meta:
        db_table = "accounts_grant"


class Ticket(models.Model):
    """A secret given once: an authorization code or a refresh token. `used` tells a replay from a first use."""

    digest = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=8, choices=[("code", "code"), ("refresh", "refresh")])
    grant = models.ForeignKey(Grant, on_delete=models.CASCADE)
    redirect_uri = models.TextField(blank=True)
    challenge = models.CharField(max_length=128, blank=True)
    expires = models.DateTimeField(db_index=True)
    used = models.DateTimeField(null=True)

    class Meta:
        db_table = "accounts_ticket"


class SeenAssertion(models.Model):
    """A client assertion already presented: the same one is not taken twice."""

    digest = models.CharField(max_length=64, primary_key=True)
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "accounts_seen_assertion"


class Certificate(models.Model):
    """A certificate of the sandbox, for the revocation lists: `serial` in hexadecimal; its private key is kept nowhere here."""

    serial = models.CharField(max_length=40, primary_key=True)
    authority = models.CharField(max_length=32)
    profile = models.CharField(max_length=32)
    subject = models.CharField(max_length=500)
    pem = models.TextField()
    not_after = models.DateTimeField()
    issued = models.DateTimeField(auto_now_add=True)
    revoked = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=32, blank=True)

    class Meta:
        db_table = "accounts_certificate"

    def __str__(self) -> str:
        return self.serial
