"""What this house alone handles of a shared record: its state, who may, where each document's bytes are."""

from typing import ClassVar

from django.db import models


class Record(models.Model):
    """The shared record of a person. `patient` is the logical id of the Patient, the same in every space.

    `state` is a code of `rules.State`; `closing_reason` what the holder or the manager gave; `emergency_refused` the prior
    objection to break-glass access; `attached_to_space` whether it is shown in the digital space of health.
    """

    patient = models.CharField(max_length=64, primary_key=True)
    state = models.CharField(max_length=10)
    notified_on = models.DateField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closing_reason = models.CharField(max_length=200, blank=True)
    emergency_refused = models.BooleanField(default=False)
    attached_to_space = models.BooleanField(default=True)
    treating_doctor = models.CharField(max_length=32, blank=True)

    class Meta:
        db_table = "dmp_record"
        indexes: ClassVar = [
            models.Index(fields=["notified_on"], name="dmp_record_due", condition=models.Q(state="NOTIFIE")),
            models.Index(fields=["closed_at"], name="dmp_record_closed", condition=models.Q(state="FERME")),
        ]

    def __str__(self) -> str:
        return self.patient


class Authorisation(models.Model):
    """That a professional may look into a record, or may not. `professional` is idNat_PS (`8` + RPPS).

    `permission` is `allowed` or `blocked`; `ground` is `equipe_de_soins`, `consentement`, `medecin_traitant` or `titulaire`.
    One line per person and record: the last word counts, the traces keep the others.
    """

    patient = models.CharField(max_length=64)
    professional = models.CharField(max_length=32)
    name = models.CharField(max_length=200, blank=True)
    permission = models.CharField(max_length=8)
    ground = models.CharField(max_length=20)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "dmp_authorisation"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patient", "professional"], name="dmp_authorisation_one"),
            models.CheckConstraint(condition=models.Q(permission__in=["allowed", "blocked"]), name="dmp_permission"),
        ]
        indexes: ClassVar = [models.Index(fields=["professional", "patient"], name="dmp_authorisation_of")]

    def __str__(self) -> str:
        return f"{self.professional} {self.permission}"


class Content(models.Model):
    """Where the bytes of a published document are: `document` is the id of its DocumentReference, `digest` of the blob."""

    document = models.CharField(max_length=64, primary_key=True)
    patient = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    mime = models.CharField(max_length=127)
    size = models.BigIntegerField()

    class Meta:
        db_table = "dmp_content"

    def __str__(self) -> str:
        return self.document
