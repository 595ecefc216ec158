"""What this house alone handles of a citizen's space: the notices that she finds in it."""

from typing import ClassVar

from django.db import models


class Notice(models.Model):
    """Something that the holder must be told. `patient` is the logical id of her Patient.

    `kind` names the sentence shown (`rules.SENTENCES`); `about` is the FHIR reference it is about, `professional` the idNat_PS
    of who did it; `event` is the id of what caused it, so that an event heard twice gives one notice.
    """

    patient = models.CharField(max_length=64)
    kind = models.CharField(max_length=30)
    about = models.CharField(max_length=128, blank=True)
    professional = models.CharField(max_length=32, blank=True)
    event = models.UUIDField(unique=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ens_notice"
        indexes: ClassVar = [models.Index(fields=["patient", "-created_at"], name="ens_notice_of")]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d}"
