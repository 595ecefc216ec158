"""Whose record: from what a message designates to one qualified identity of `trust.ins`."""

from collections.abc import Sequence

from virage.core.errors import Invalid, Unknown
from virage.trust import ins
from virage.trust.interop import INS_OIDS, Traits

_SEXES = {"M": "M", "F": "F", "I": "U"}


def ins_identifiers(identifiers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(matricule, OID) of the INS among (system, value) identifiers."""
    return [
        (value, system.removeprefix("urn:oid:"))
        for system, value in identifiers
        if system.removeprefix("urn:oid:") in INS_OIDS
    ]


def qualified(reference: str, identifiers: Sequence[tuple[str, str]], path: str) -> ins.Identity:
    """The one qualified identity that a reference `Patient/x` and identifiers designate.

    Raises `Invalid` (422) when nobody, several people, or a matricule with a wrong key is designated, `Forbidden`
    (INS.NOT_QUALIFIED) when the identity is not qualified.
    """
    found: list[ins.Identity] = []
    for matricule, oid in ins_identifiers(identifiers):
        try:
            found.append(ins.require_qualified(matricule, oid))
        except Unknown as error:
            raise Invalid(error.text, code=error.code, path=path, issue="not-found") from None
    if reference:
        kind, _, ident = reference.partition("/")
        identity = ins.of_patient(ident) if kind == "Patient" and ident else None
        if identity is None:
            raise Invalid(
                "Le patient désigné n'est pas connu du référentiel d'identités.",
                code="INS.UNKNOWN",
                path=path,
                issue="not-found",
            )
        found.append(identity)
    if not found:
        raise Invalid(
            "Désignez le patient par son INS : « Patient?identifier=urn:oid:…|MATRICULE » ou un Patient contenu.",
            code="DMP.NO_PATIENT",
            path=path,
            issue="required",
        )
    if len({identity.patient for identity in found}) > 1:
        raise Invalid("Le message désigne plusieurs patients.", code="DMP.SEVERAL_PATIENTS", path=path)
    found[0].matricule  # noqa: B018 - refuses an identity that is not qualified
    return found[0]


def header_traits(identity: ins.Identity) -> Traits:
    """The identity as `trust.interop` compares it with a CDA header."""
    traits = identity.traits
    matricule = identity.matricule
    return Traits(
        matricule=matricule.value,
        oid=matricule.oid,
        birth_name=traits.family,
        given_names=traits.given_list,
        first_given=traits.given,
        birth_date=traits.birth_date.isoformat() if traits.birth_date else "",
        sex=_SEXES.get(traits.sex, ""),
        birth_place=traits.birth_place,
    )
