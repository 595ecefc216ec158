"""What this house alone handles of a professional's desk: what they must be told."""

from typing import ClassVar

from django.db import models


class Alert(models.Model):
    """That the glass was broken in the record of a patient whose treating doctor this professional is (R. 1111-48).

    `professional` is the idNat_PS of who is told, `by` of who broke it, `patient` the logical id; `event` is the id of what
    caused it, so that an event heard twice gives one alert.
    """

    professional = models.CharField(max_length=32)
    patient = models.CharField(max_length=64)
    by = models.CharField(max_length=32)
    event = models.UUIDField(unique=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "bsp_alert"
        indexes: ClassVar = [models.Index(fields=["professional", "-created_at"], name="bsp_alert_of")]

    def __str__(self) -> str:
        return f"{self.professional} {self.created_at:%Y-%m-%d}"
