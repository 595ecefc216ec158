# mypy: disable-error-code="var-annotated"
"""What waits for a professional's confirmation on the phone."""

from django.db import models

from virage.core.accounts.models import Account


class EcpsRequest(models.Model):
    """A sign-in that waits for its e-CPS: the two digits shown, the three offered, and the browser that began it."""

    WAITING, CONFIRMED, REFUSED, DONE = "waiting", "confirmed", "refused", "done"

    id = models.CharField(max_length=32, primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    client_name = models.CharField(max_length=200)
    code = models.CharField(max_length=2)
    choices = models.JSONField()
    state = models.CharField(max_length=12, default=WAITING)
    failures = models.PositiveSmallIntegerField(default=0)
    browser_digest = models.CharField(max_length=64)
    sealed = models.TextField()
    created = models.DateTimeField(db_index=True)
    expires = models.DateTimeField()

    class Meta:
        db_table = "psc_ecps_request"

    def __str__(self) -> str:
        return self.id
