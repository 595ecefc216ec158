"""National identifiers, the two digits of the e-CPS, and the claims that Pro Santé Connect makes. Pure functions."""

import random
import re
from collections.abc import Iterable, Mapping
from typing import Any

_RPPS = re.compile(r"\d{11}")
_IDNAT = re.compile(r"8\d{11}")

PROFESSIONS_OID = "1.2.250.1.213.1.1.5.5"
SECTORS_OID = "1.2.250.1.71.4.2.4"
LEVELS_OID = "1.2.250.1.213.1.5.1.1.1"

_ACTIVITY = [
    "codeModeExercice",
    "codeSecteurDactivite",
    "codeSectionPharmacien",
    "codeRole",
    "codeGenreActivite",
    "numeroSiretSite",
    "numeroSirenSite",
    "numeroFinessSite",
    "numeroFinessetablissementJuridique",
    "identifiantTechniqueDeLaStructure",
    "raisonSocialeSite",
    "enseigneCommercialeSite",
    "complementDestinataire",
    "complementPointGeographique",
    "numeroVoie",
    "indiceRepetitionVoie",
    "codeTypeDeVoie",
    "libelleVoie",
    "mentionDistribution",
    "bureauCedex",
    "codePostal",
    "codeCommune",
    "codePays",
    "telephone",
    "telephone2",
    "telecopie",
    "adresseEMail",
    "codeDepartement",
    "ancienIdentifiantDeLaStructure",
    "autoriteDenregistrement",
]
_EXERCISE = [
    "codeProfession",
    "codeCategorieProfessionnelle",
    "codeCiviliteDexercice",
    "nomDexercice",
    "prenomDexercice",
    "codeTypeSavoirFaire",
    "codeSavoirFaire",
]


def luhn_holds(digits: str) -> bool:
    """Whether a number's last digit is its Luhn key."""
    total = 0
    for rank, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if rank % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def national_subject(typed: str) -> str:
    """The idNat_PS of what a professional typed: an RPPS (11 digits), an idNat_PS (`8` + RPPS), with or without spaces.

    Empty when it is neither, or when its key is wrong.
    """
    digits = re.sub(r"[\s.]", "", typed)
    if _IDNAT.fullmatch(digits):
        digits = digits[1:]
    return f"8{digits}" if _RPPS.fullmatch(digits) and luhn_holds(digits) else ""


def choices(draw: random.Random) -> tuple[str, list[str]]:
    """The two digits that the sign-in page shows, and the three among which the phone asks to find them."""
    three = [f"{number:02d}" for number in draw.sample(range(100), 3)]
    right = three[0]
    draw.shuffle(three)
    return right, three


def exercises(
    situation: Mapping[str, Any], *, family: str, given: str, defaults: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The practices (`exercices`) with every national key present, empty when unknown.

    `situation` is what the directory gave, with wire names; without it one practice is made of `defaults`.
    """
    given_ones: Iterable[Mapping[str, Any]] = situation.get("exercices") or [
        {
            **defaults,
            "activities": [defaults]
            if any(defaults.get(name) for name in ("numeroFinessSite", "raisonSocialeSite"))
            else [],
        }
    ]
    whole = []
    for practice in given_ones:
        names = {"nomDexercice": family, "prenomDexercice": given, "codeCategorieProfessionnelle": "C", **practice}
        filled: dict[str, Any] = {key: str(names.get(key) or "") for key in _EXERCISE}
        filled["activities"] = [
            {key: str(one.get(key) or "") for key in _ACTIVITY} for one in practice.get("activities", [])
        ]
        whole.append(filled)
    return whole


def claims(
    *,
    subject: str,
    rpps: str,
    family: str,
    given: str,
    civility: str,
    structure: str,
    practices: list[dict[str, Any]],
    mode: str,
) -> dict[str, Any]:
    """The claims of userinfo, with the national names. `mode` is `MOBILE` (e-CPS) or `CARD`."""
    activities = [one for practice in practices for one in practice["activities"]]
    first = activities[0] if activities else {}
    sector, organization = first.get("codeSecteurDactivite", ""), first.get("identifiantTechniqueDeLaStructure", "")
    finess = first.get("numeroFinessSite", "")
    return {
        "preferred_username": subject,
        "SubjectNameID": subject,
        "given_name": given,
        "family_name": family,
        "name": f"{given} {family}".strip(),
        "codeCivilite": civility,
        "SubjectRole": [f"{one['codeProfession']}^{PROFESSIONS_OID}" for one in practices if one["codeProfession"]],
        "SubjectOrganization": first.get("raisonSocialeSite", "") or structure,
        "SubjectOrganizationID": organization or (f"F{finess}" if finess else ""),
        "Secteur_Activite": f"{sector}^{SECTORS_OID}" if sector else "",
        "Palier_Authentification": f"APPPRIP3^{LEVELS_OID}",
        "PSI_Locale": "1.2.250.1.213.1.3.1.1",
        "UITVersion": "1.0",
        "Mode_Acces_Raison": "",
        "Acces_Regulation_Medicale": "FAUX",
        "codeGenreActivite": first.get("codeGenreActivite", "") or "GENR01",
        "otherIds": [{"identifiant": rpps, "origine": "RPPS", "qualite": 1}] if rpps else [],
        "authMode": mode,
        "SubjectRefPro": {"codeCivilite": civility, "exercices": practices},
    }
