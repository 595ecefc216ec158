"""The FHIR base `/ins/fhir`: patients, and INSi as two operations whose parameters keep the national names."""

import re
from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import date
from typing import Any

from virage.core import access, settings
from virage.core.access import Everything, Filter, InPatient, Nothing
from virage.core.callers import Caller
from virage.core.errors import Forbidden, Invalid, Malformed
from virage.core.fhir import FhirRequest, FhirResponse, FhirService, Operation, router, validation
from virage.trust.ins import actions, guard, queries, rules
from virage.trust.ins.actions import InsiAnswer
from virage.trust.ins.identity import PROFILE, PROFILE_INS, traits_of
from virage.trust.ins.rules import Matricule, Traits

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SELECTIVE = {
    "Patient": frozenset({"_id", "identifier", "family", "given", "name", "birthdate"}),
    "RelatedPerson": frozenset({"_id", "identifier", "patient"}),
}


def policy(by: Caller, interaction: str, type: str) -> Filter:
    """Professionals and software read identities as their scopes let them; a citizen sees only their own."""
    if by.kind in ("professional", "software", "system"):
        return Everything()
    if by.kind == "citizen" and by.patient and interaction in ("read", "vread", "search-type", "history-instance"):
        return InPatient(by.patient, "Vous n'avez accès qu'à votre propre identité.", "ins.self")
    return Nothing(
        "Le référentiel d'identités est réservé aux professionnels et aux logiciels de santé.", "ins.reserved"
    )


def search(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Search with at least one selective parameter: nobody leafs through the identities of the country."""
    names = {name for name, value in request.params if _aims(name, value)}
    if request.caller.kind not in ("system", "citizen") and not names & _SELECTIVE.get(request.type, frozenset()):
        raise Invalid(
            "Chercher une identité demande au moins un identifiant, un nom, un prénom ou une date de naissance (un proche : "
            "son patient).",
            code="INS.TOO_WIDE",
            issue="too-costly",
            status=400,
        )
    _check_matricules(request)
    return router.default(request, service)


def _aims(name: str, value: str) -> bool:
    """Whether a parameter singles people out: the number itself rather than its authority, two letters of a name, a day."""
    if name == "identifier":
        return bool(value.rpartition("|")[2])
    if name == "birthdate":
        return _DATE.fullmatch(value.removeprefix("eq")) is not None
    if name.partition(":")[0] in ("family", "given", "name"):
        return name.partition(":")[2] in ("", "exact", "contains") and len(value.strip()) > 1
    return bool(value) and name in ("_id", "patient", "patient:Patient")


def _check_matricules(request: FhirRequest) -> None:
    """A matricule with a wrong key is a slip of the hand: said so, rather than « nobody ». Raises `Invalid` (400)."""
    for name, value in request.params:
        if name != "identifier":
            continue
        for token in value.split(","):
            system, _, number = token.rpartition("|")
            oid = rules.oid_of_system(system)
            if oid is not None and number:
                try:
                    rules.parse_matricule(number, oid, sandbox=settings.sandbox())
                except Invalid as wrong:
                    raise Invalid(wrong.text, code=wrong.code, status=400, issue="value", path="identifier") from wrong


def create(request: FhirRequest, service: FhirService) -> FhirResponse:
    """A new identity: provisional, whatever the Patient says of itself; its matricule comes from INSi alone."""
    _refuse_unentitled(request, "create")
    if "if-none-exist" in request.headers:
        raise Invalid(
            "If-None-Exist n'a pas cours ici : chercher l'identité par INSi, puis la créer si elle n'existe pas.",
            code="INS.CONDITIONAL",
            issue="not-supported",
            status=400,
        )
    resource = request.resource
    if resource.get("resourceType") != "Patient":
        return router.default(request, service)
    flaws = [issue for issue in validation.check(resource) if issue.severity in ("error", "fatal")]
    if flaws:
        raise Invalid(flaws[0].text, code="FHIR.INVALID", issues=flaws)
    if any(
        rules.oid_of_system(str(i.get("system", ""))) for i in resource.get("identifier", ()) if isinstance(i, dict)
    ):
        raise Invalid(
            "Un matricule INS ne se saisit pas : créer l'identité par ses traits, puis appeler $recuperer.",
            code="INS.MATRICULE_GIVEN",
            issue="business-rule",
            path="Patient.identifier",
        )
    traits = traits_of(resource)
    identity = actions.register(by=request.caller, traits=traits, resource=resource)
    headers = {"Location": f"{request.base}/Patient/{identity.patient}/_history/1", "ETag": 'W/"1"'}
    return FhirResponse.of(_shown(request, identity.patient), 201, headers)


def insi_recherche(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient/$insi-recherche`: one question to INSi by traits."""
    _refuse_unentitled(request)
    values = _known(_values(request), _TRAITS)
    given = tuple(values.get("prenom", ()))
    try:
        answer = actions.recherche(by=request.caller, traits=_traits(values), given_names=given)
    except Invalid as refusal:
        raise _in_wire_names(refusal) from None
    return _answered(request, answer)


def insi_verification(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient/$insi-verification`: do this matricule and these traits belong together."""
    _refuse_unentitled(request)
    values = _known(_values(request), _TRAITS | {"matricule", "cle", "oid"})
    number, key = _one(values, "matricule"), _one(values, "cle")
    value = number if len(number) == 15 and not key else number + key
    matricule = rules.parse_matricule(value, _one(values, "oid"), sandbox=settings.sandbox(), path="matricule")
    try:
        answer = actions.verification(by=request.caller, matricule=matricule, traits=_traits(values))
    except Invalid as refusal:
        raise _in_wire_names(refusal) from None
    return _answered(request, answer)


_TRAITS = frozenset({"nomNaissance", "prenom", "listePrenom", "sexe", "dateNaissance", "lieuNaissance"})
_WIRE = {
    "Patient.name.family": "nomNaissance",
    "Patient.name.given": "prenom",
    "Patient.gender": "sexe",
    "Patient.birthDate": "dateNaissance",
    "Patient.extension(birthPlace)": "lieuNaissance",
}


def _known(values: dict[str, list[str]], names: Set[str]) -> dict[str, list[str]]:
    """The same parameters. Raises `Malformed` for a name that the teleservice does not have: a trait misspelt is not asked."""
    for name in values:
        if name not in names:
            raise Malformed(
                f"INSi n'a pas ce paramètre ; il a : {', '.join(sorted(names))}.",
                code="INS.PARAMETER",
                path=name[:40],
                issue="not-supported",
            )
    return values


def _in_wire_names(refusal: Invalid) -> Invalid:
    """The same refusal, its places told by the parameters of the operation rather than by elements of a Patient."""
    refusal.path = _WIRE.get(refusal.path, refusal.path)
    refusal.issues = tuple(replace(one, path=_WIRE.get(one.path, one.path)) for one in refusal.issues)
    return refusal


def recuperer(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient/[id]/$recuperer`: ask INSi by the identity's own traits and take the answer."""
    _refuse_unentitled(request, "update")
    actions.recover(by=request.caller, patient=request.id)
    return FhirResponse.of(_shown(request, request.id))


def valider(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient/[id]/$valider`: a proof of identity was seen; `mode` is its national code."""
    _refuse_unentitled(request, "update")
    actions.check_evidence(by=request.caller, patient=request.id, mode=_one(_values(request), "mode"))
    return FhirResponse.of(_shown(request, request.id))


def verifier(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient/[id]/$verifier`: put the identity to INSi again."""
    _refuse_unentitled(request, "update")
    actions.verify(by=request.caller, patient=request.id)
    return FhirResponse.of(_shown(request, request.id))


def attribuer(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient/[id]/$attribuer`: set (`pose` true) or lift an attribute: DOUT, FICT or HOMA."""
    _refuse_unentitled(request, "update")
    values = _values(request)
    applies = _one(values, "pose") != "false"
    actions.set_attribute(by=request.caller, patient=request.id, attribute=_one(values, "attribut"), applies=applies)
    return FhirResponse.of(_shown(request, request.id))


def _refuse_unentitled(request: FhirRequest, interaction: str = "search-type") -> None:
    rule = access.filter_for(queries.SPACE, request.caller, interaction, "Patient")
    if isinstance(rule, Nothing):
        raise Forbidden(rule.reason)
    if request.caller.kind == "citizen":
        raise Forbidden(
            "INSi est réservé aux professionnels de santé et aux logiciels autorisés.", code="INS.INSI_RESERVED"
        )


def _shown(request: FhirRequest, patient: str) -> dict[str, Any]:
    from virage.core.fhir import json

    version = queries.store().read("Patient", patient)
    resource: dict[str, Any] = json.loads(version.body) if version else {}
    return guard.outgoing(resource, request.caller, queries.SPACE)


def _values(request: FhirRequest) -> dict[str, list[str]]:
    """The `value[x]` of each parameter as text, by name. Raises `Malformed` for what is not a Parameters."""
    resource: Mapping[str, Any] = request.resource
    if resource.get("resourceType") != "Parameters" or not isinstance(resource.get("parameter", []), list):
        raise Malformed(
            "Cette opération reçoit une ressource Parameters.", code="FHIR.TYPE_MISMATCH", path="resourceType"
        )
    values: dict[str, list[str]] = {}
    for parameter in resource.get("parameter", []):
        if not isinstance(parameter, dict):
            raise Malformed("Chaque paramètre est un objet avec « name » et « value ».", path="Parameters.parameter")
        for name, value in parameter.items():
            if name.startswith("value"):
                text = value.get("code", "") if isinstance(value, dict) else value
                text = str(text).lower() if isinstance(text, bool) else str(text)
                values.setdefault(str(parameter.get("name", "")), []).append(text)
    return values


def _one(values: Mapping[str, list[str]], name: str) -> str:
    found = values.get(name, [])
    if len(found) > 1:
        raise Invalid(f"Le paramètre « {name} » ne se donne qu'une fois.", code="INS.REPEATED", path=name)
    return found[0].strip() if found else ""


def _traits(values: Mapping[str, list[str]]) -> Traits:
    text = _one(values, "dateNaissance")
    try:
        if text and not _DATE.fullmatch(text):
            raise ValueError(text)
        born = date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(
            "La date de naissance s'écrit AAAA-MM-JJ.", code="INS.DATE_IMPOSSIBLE", issue="value", path="dateNaissance"
        ) from None
    given = [name.strip() for name in values.get("prenom", ()) if name.strip()]
    sex = _one(values, "sexe")
    return Traits(
        family=_one(values, "nomNaissance"),
        given=given[0] if given else "",
        sex={"male": "M", "female": "F"}.get(sex, sex),
        birth_date=born,
        birth_place=_one(values, "lieuNaissance"),
        given_list=_one(values, "listePrenom"),
    )


def _answered(request: FhirRequest, answer: InsiAnswer) -> FhirResponse:
    parameters: list[dict[str, Any]] = [
        {"name": "codeCR", "valueCode": answer.code},
        {"name": "libelleCR", "valueString": answer.label},
    ]
    person = answer.person
    if person is not None:
        parts = [_matricule_part("insActif", person.matricule)]
        for former in person.history:
            old = Matricule(former["value"][:13], former["value"][13:], former["oid"])
            dates = [
                {"name": name, "valueDate": former[source]}
                for name, source in (("dateDeb", "start"), ("dateFin", "end"))
                if former.get(source)
            ]
            part = _matricule_part("insHisto", old)
            parts.append({**part, "part": [*part["part"], *dates]})
        traits = person.traits
        parts.append(
            {
                "name": "tiq",
                "part": [
                    {"name": "nomNaissance", "valueString": traits.family},
                    {"name": "listePrenom", "valueString": traits.given_list},
                    {"name": "sexe", "valueCode": traits.sex},
                    {"name": "dateNaissance", "valueDate": traits.birth_date.isoformat() if traits.birth_date else ""},
                    {"name": "lieuNaissance", "valueCode": traits.birth_place},
                ],
            }
        )
        parameters.append({"name": "individu", "part": parts})
        if answer.patient:
            parameters.append({"name": "patient", "resource": _shown(request, answer.patient)})
    return FhirResponse.of({"resourceType": "Parameters", "parameter": parameters})


def _matricule_part(name: str, matricule: Matricule) -> dict[str, Any]:
    return {
        "name": name,
        "part": [
            {"name": "numIdentifiant", "valueString": matricule.number},
            {"name": "cle", "valueString": matricule.key},
            {"name": "oid", "valueString": matricule.oid},
        ],
    }


SERVICE = FhirService(
    base="/ins/fhir",
    space=queries.SPACE,
    code=1,
    title="Identité nationale de santé",
    types={
        "Patient": {"read", "vread", "history-instance", "search-type", "create"},
        "RelatedPerson": {"read", "vread", "search-type"},
    },
    system=(),
    overrides={("search-type", "*"): search, ("create", "Patient"): create},
    operations=(
        Operation("insi-recherche", insi_recherche, type="Patient", level="type"),
        Operation("insi-verification", insi_verification, type="Patient", level="type"),
        Operation("recuperer", recuperer, type="Patient", level="instance"),
        Operation("valider", valider, type="Patient", level="instance"),
        Operation("verifier", verifier, type="Patient", level="instance"),
        Operation("attribuer", attribuer, type="Patient", level="instance"),
    ),
    profiles={"Patient": (PROFILE, PROFILE_INS)},
    unique={"Patient": [f"urn:oid:{oid}" for oid in rules.OIDS]},
    purpose="Identités qualifiées des usagers et téléservice INSi, pour les professionnels et les logiciels autorisés.",
)

access.register(queries.SPACE, policy)
