"""The reference base that INSi questions: in the sandbox this house stands in for the national register of identification.

It holds strict traits beside the FHIR identity on purpose: it is another authority's register, against which a local identity
is verified and from which it may differ. Outside the sandbox it stays empty and INSi is asked instead.
"""

from django.db import models


class ReferenceIdentity(models.Model):
    """One person of the register.

    `number` and `key` make the matricule, `oid` its authority. `given_list` holds all birth given names separated by spaces.
    `family_key` and `given_key` are the compared forms (`rules.compare_key`). `patient` is the logical id that this person's
    Patient bears in every space of the house. `history` lists former matricules: `{"value", "oid", "start", "end"}`.
    """

    number = models.CharField(max_length=13)
    key = models.CharField(max_length=2)
    oid = models.CharField(max_length=24)
    patient = models.CharField(max_length=64, unique=True)
    family = models.CharField(max_length=100)
    given_list = models.CharField(max_length=200)
    sex = models.CharField(max_length=1)
    birth_date = models.DateField()
    birth_place = models.CharField(max_length=5)
    family_key = models.CharField(max_length=100)
    given_key = models.CharField(max_length=200)
    history = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["number", "oid"], name="ins_reference_matricule"),)
        indexes = (models.Index(fields=["birth_date", "family_key", "sex"], name="ins_reference_traits"),)

    def __str__(self) -> str:
        return self.patient
