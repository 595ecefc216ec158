"""Pro Santé Connect as an issuer: addresses, lifetimes, claims."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from virage.core import settings
from virage.core.accounts import tokens
from virage.core.accounts.models import Account, Grant
from virage.core.accounts.provider.issuers import Issuer
from virage.trust.psc import rules

_DEFAULT_SECTOR = {"21": "SA33"}  # a pharmacist without a known structure works in a pharmacy
_SUPPORTED = [
    "openid",
    "scope_all",
    "offline_access",
    "user/*.cruds",
    "user/*.rs",
    "system/*.cruds",
    "system/*.rs",
    "patient/*.cruds",
    "patient/*.rs",
    "launch/patient",
    "launch/encounter",
    "fhirUser",
    "identity",
    "rpps",
    "acr",
]


def _given_family(account: Account) -> tuple[str, str]:
    if account.family_name:
        return account.given_names, account.family_name
    given, _, family = account.name.rpartition(" ")
    return given, family


def national_claims(account: Account, grant: Grant | None) -> dict[str, Any]:
    """What userinfo says of a professional besides `sub`."""
    given, family = _given_family(account)
    situation = account.situation or {}
    defaults = {
        "codeProfession": account.profession,
        "codeSavoirFaire": account.specialty,
        "codeTypeSavoirFaire": "S" if account.specialty else "",
        "numeroFinessSite": account.finess,
        "raisonSocialeSite": account.structure,
        "identifiantTechniqueDeLaStructure": f"F{account.finess}" if account.finess else "",
        "codeSecteurDactivite": _DEFAULT_SECTOR.get(account.profession, "SA07"),
        "codeGenreActivite": "GENR01",
    }
    practices = rules.exercises(situation, family=family, given=given, defaults=defaults)
    said = rules.claims(
        subject=account.subject,
        rpps=account.rpps,
        family=family,
        given=given,
        civility=str(situation.get("codeCivilite", "")),
        structure=account.structure,
        practices=practices,
        mode="MOBILE",
    )
    if grant is not None and grant.purpose != "normal":
        said["Mode_Acces_Raison"] = grant.reason
        said["Acces_Regulation_Medicale"] = "VRAI" if grant.purpose == "centre_15" else "FAUX"
    return said


def technical_subject(account: Account, client: Account) -> str:
    """The `sub`: technical, the same for every client of this realm, ending with the national identifier."""
    return f"f:{uuid5(NAMESPACE_URL, 'virage:psc')}:{account.subject}"


def introspected(account: Account, grant: Grant) -> dict[str, Any]:
    """What introspection of an access token adds: the national identifier."""
    other = [{"identifiant": account.rpps, "origine": "RPPS", "qualite": 1}] if account.rpps else []
    return {
        "preferred_username": account.subject,
        "SubjectNameID": account.subject,
        "authMode": "MOBILE",
        "otherIds": other,
    }


PSC = Issuer(
    name="psc",
    title="Pro Santé Connect",
    path="/psc",
    algorithm="RS256",  # as the national service signs
    kinds=frozenset({"professional"}),
    endpoints={
        "authorization_endpoint": "/auth",
        "token_endpoint": "/token",
        "userinfo_endpoint": "/userinfo",
        "jwks_uri": "/certs",
        "introspection_endpoint": "/token/introspect",
        "revocation_endpoint": "/revoke",
        "end_session_endpoint": "/logout",
    },
    claims=national_claims,
    subject=technical_subject,
    access=lambda: settings.number("VIRAGE_ACCESS_SECONDS", 10, 3600),
    refresh=lambda: settings.number("VIRAGE_REFRESH_SECONDS", 60, 14400),
    audience=lambda: tokens.API,
    client_credentials=True,
    scopes_supported=tuple(_SUPPORTED),
    claims_supported=(
        "sub",
        "preferred_username",
        "SubjectNameID",
        "given_name",
        "family_name",
        "codeCivilite",
        "SubjectRole",
        "SubjectOrganization",
        "SubjectOrganizationID",
        "Secteur_Activite",
        "Palier_Authentification",
        "otherIds",
        "authMode",
        "SubjectRefPro",
        "fhirUser",
    ),
    introspected=introspected,
    extra={"purposes_supported": ["normal", "bris_de_glace", "centre_15"]},
)
