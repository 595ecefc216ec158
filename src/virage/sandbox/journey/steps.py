"""The nine steps of a care journey. Each proves one thing over HTTP and says it in one line."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from virage.sandbox.journey.bundles import submission
from virage.sandbox.journey.client import Visitor, expect
from virage.sandbox.journey.people import claims_of, professional_token, software_token, with_purpose
from virage.trust import interop

REASON = "Patiente inconsciente aux urgences, antécédents nécessaires"
CDA_TYPE = "text/xml"


@dataclass
class Journey:
    """What the steps know of the house from outside, and what each leaves to the next."""

    base: str
    accounts: dict[str, dict[str, Any]]
    key: dict[str, Any]
    pin: str
    document: bytes
    say: Callable[[str], None] = lambda line: None
    tokens: dict[str, str] = field(default_factory=dict)
    patient: dict[str, Any] = field(default_factory=dict)
    ins: str = ""
    oid: str = ""
    unique: str = ""
    sent: bytes = b""
    reference: str = ""
    title: str = ""
    patient_browser: Visitor | None = None

    def visitor(self) -> Visitor:
        """Another program or browser, without any memory of the others."""
        return Visitor(self.base, self.say)

    @property
    def client(self) -> tuple[str, str]:
        """The software's identifier and secret."""
        software = self.accounts["sandbox-lps"]
        return software["client_id"], software["client_secret"]

    def sign_in(self, login: str) -> dict[str, Any]:
        """A professional's tokens, by code + PKCE confirmed on the phone."""
        redirect = f"{self.base}/editeurs/retour"
        answer = professional_token(self.visitor(), self.client, redirect, self.accounts[login]["rpps"], self.pin)
        self.tokens[login] = str(answer["access_token"])
        return answer

    def documents(self, login: str, token: str = "") -> tuple[int, list[dict[str, Any]], str]:
        """ITI-67 by a professional: status, DocumentReferences found with our identifier, refusal in words."""
        answer = self.visitor().send(
            "GET",
            "/dmp/fhir/DocumentReference",
            token=token or self.tokens[login],
            params={
                "patient.identifier": f"urn:oid:{self.oid}|{self.ins}",
                "status": "current",
                "identifier": self.unique,
            },
        )
        body = answer.json()
        if answer.status_code != 200:
            return answer.status_code, [], str(body["issue"][0].get("details", {}).get("text", ""))
        return 200, [entry["resource"] for entry in body.get("entry", [])], ""


def software(journey: Journey) -> str:
    """1. A program proves itself by its key."""
    scope = "system/*.cruds"
    journey.tokens["software"] = software_token(journey.visitor(), journey.client[0], journey.key, scope)
    answer = journey.visitor().send("GET", "/fhir/Patient?_count=1", token=journey.tokens["software"])
    expect(answer.status_code == 200, f"Le jeton du logiciel n’ouvre pas /fhir ({answer.status_code}).")
    return "le logiciel a reçu un jeton par private_key_jwt, et il ouvre /fhir"


def doctor(journey: Journey) -> str:
    """2. The doctor signs in by code + PKCE, confirmed on the e-CPS page."""
    journey.sign_in("generaliste")
    claims = claims_of(journey.visitor(), journey.tokens["generaliste"])
    expect(
        claims.get("SubjectNameID") == f"8{journey.accounts['generaliste']['rpps']}",
        "userinfo nomme quelqu’un d’autre.",
    )
    return f"{claims.get('given_name')} {claims.get('family_name')} a ouvert sa session par Pro Santé Connect, confirmée sur l’e-CPS"


def identity(journey: Journey) -> str:
    """3. The patient is found by her traits through INSi; her identity is qualified."""
    account = journey.accounts["patiente"]
    found = journey.visitor().send(
        "GET", f"/ins/fhir/Patient?identifier={account['ins']}", token=journey.tokens["generaliste"]
    )
    expect(
        found.status_code == 200 and found.json().get("entry"), "La patiente n’est pas dans le référentiel d’identités."
    )
    known = found.json()["entry"][0]["resource"]
    official = next(name for name in known["name"] if name.get("use") == "official")
    parameters = [
        {"name": "nomNaissance", "valueString": official["family"]},
        {"name": "prenom", "valueString": official["given"][0]},
        {"name": "sexe", "valueCode": "F" if known["gender"] == "female" else "M"},
        {"name": "dateNaissance", "valueDate": known["birthDate"]},
    ]
    answer = journey.visitor().send(
        "POST",
        "/ins/fhir/Patient/$insi-recherche",
        token=journey.tokens["generaliste"],
        json={"resourceType": "Parameters", "parameter": parameters},
    )
    expect(answer.status_code == 200, f"INSi répond {answer.status_code}.")
    parts = {part["name"]: part for part in answer.json()["parameter"]}
    code = next(
        (part.get("valueCode") or part.get("valueString") for name, part in parts.items() if name == "codeCR"), ""
    )
    expect(code == "00", f"INSi répond le code {code}.")
    person = next(
        part["resource"] for part in parts.values() if part.get("resource", {}).get("resourceType") == "Patient"
    )
    held = next(one for one in person["identifier"] if one["system"].startswith("urn:oid:1.2.250.1.213.1.4."))
    journey.patient, journey.ins, journey.oid = known, held["value"], held["system"].removeprefix("urn:oid:")
    expect(journey.ins == account["ins"], "INSi a rendu un autre matricule.")
    expect(_status(known) == "QUAL", "L’identité de la patiente n’est pas qualifiée.")
    return "INSi a trouvé la patiente par ses traits (code 00) ; son identité est qualifiée"


def _status(patient: dict[str, Any]) -> str:
    for extension in patient.get("extension", []):
        for part in extension.get("extension", []):
            if part["url"] == "identityStatus":
                return str(part["valueCoding"]["code"])
    return ""


def _extension(patient: dict[str, Any], ending: str) -> dict[str, Any]:
    return next((one for one in patient.get("extension", []) if one["url"].endswith(ending)), {})


def _traits(journey: Journey) -> interop.Traits:
    official = next(name for name in journey.patient["name"] if name.get("use") == "official")
    listed = next((one["valueString"] for one in official.get("extension", []) if "birth-list" in one["url"]), "")
    place = _extension(journey.patient, "patient-birthPlace").get("valueAddress", {})
    county = next((one["valueCoding"]["code"] for one in place.get("extension", []) if "insee" in one["url"]), "")
    return interop.Traits(
        matricule=journey.ins,
        oid=journey.oid,
        birth_name=official["family"],
        given_names=listed or " ".join(official["given"]),
        first_given=official["given"][0],
        sex="F" if journey.patient["gender"] == "female" else "M",
        birth_date=journey.patient["birthDate"],
        birth_place=county,
    )


def publish(journey: Journey) -> str:
    """4. A document, its header set to the patient's identity, is published by ITI-65."""
    traits, author = _traits(journey), journey.accounts["generaliste"]
    # A new document about this patient: an identifier of its own, so that the journey can be played again.
    unique = interop.Id(root=f"2.25.{uuid.uuid4().int}")
    journey.sent = interop.readdress(journey.document, traits, unique_id=unique)
    family, given = author["name"].rpartition(" ")[2], author["name"].partition(" ")[0]
    mime = "application/xslt+xml" if b"<xsl:stylesheet" in journey.sent[:4000] else CDA_TYPE
    bundle, journey.unique = submission(
        journey.sent, mime, ins=journey.ins, oid=journey.oid, rpps=author["rpps"], family=family, given=given
    )
    answer = journey.visitor().send("POST", "/dmp/fhir", token=journey.tokens["generaliste"], json=bundle)
    if answer.status_code != 200:
        issues = answer.json().get("issue", []) if "json" in answer.headers.get("content-type", "") else []
        texts = "; ".join(str(issue.get("details", {}).get("text", "")) for issue in issues[:5])
        expect(False, f"La publication est refusée ({answer.status_code}) : {texts}")
    statuses = [entry["response"]["status"] for entry in answer.json()["entry"]]
    expect(all(status.startswith("201") for status in statuses), f"Réponses du lot : {statuses}.")
    return f"le document ({len(journey.sent)} octets) est publié au DMP par ITI-65"


def read_back(journey: Journey) -> str:
    """5. Found by ITI-67, read by ITI-68: the same bytes."""
    status, found, reason = journey.documents("generaliste")
    expect(status == 200, f"ITI-67 répond {status} : {reason}")
    expect(len(found) == 1, f"ITI-67 trouve {len(found)} document(s) au lieu d’un.")
    attachment = found[0]["content"][0]["attachment"]
    journey.reference, journey.title = found[0]["id"], attachment.get("title", "")
    answer = journey.visitor().send(
        "GET", urljoin(f"{journey.base}/dmp/fhir/", attachment["url"]), token=journey.tokens["generaliste"]
    )
    expect(answer.status_code == 200, f"ITI-68 répond {answer.status_code}.")
    expect(answer.content == journey.sent, "Le document est revenu différent de ce qui a été publié.")
    return "le document est retrouvé par ITI-67 et relu par ITI-68, identique à l’octet près"


def glass(journey: Journey) -> str:
    """6. Outside the care team the nurse is refused, then breaks the glass with a reason and reads."""
    grant = journey.sign_in("infirmiere")
    status, _, reason = journey.documents("infirmiere")
    expect(status == 403 and reason, f"L’infirmière hors équipe de soins a reçu {status} au lieu de 403.")
    token = with_purpose(journey.visitor(), journey.client, grant["refresh_token"], "bris_de_glace", REASON)
    status, found, refusal = journey.documents("infirmiere", token)
    expect(status == 200 and len(found) == 1, f"Le bris de glace n’ouvre pas le dossier ({status}) {refusal}")
    url = urljoin(f"{journey.base}/dmp/fhir/", found[0]["content"][0]["attachment"]["url"])
    answer = journey.visitor().send("GET", url, token=token)
    expect(answer.status_code == 200 and answer.content == journey.sent, "Le document n’est pas lisible en urgence.")
    return f"l’infirmière est refusée (« {reason} »), puis brise la glace avec son motif et lit"


def patient(journey: Journey) -> str:
    """7. The patient sees the document, both accesses with their reason, and the notice of the broken glass."""
    browser = journey.patient_browser = journey.visitor()
    page = browser.page("GET", "/mon-espace-sante/")
    login = "patiente"
    page = browser.submit(page, page.form("identite"), identite=login) if page.tree.forms else page
    expect(
        page.status == 200 and "/mon-espace-sante" in page.url, f"La patiente n’arrive pas chez elle ({page.status})."
    )
    notice = None
    for _ in range(50):
        if "bris de glace" in page.text:
            notice = page
            break
        time.sleep(0.2)
        page = browser.page("GET", "/mon-espace-sante/")
    expect(notice is not None, "L’avis de bris de glace n’est pas arrivé.")
    shown = browser.page("GET", f"/mon-espace-sante/documents/{journey.reference}/")
    expect(shown.status == 200 and "virage-document" in shown.body, "Le document n’est pas affiché.")
    accesses = browser.page("GET", "/mon-espace-sante/acces/")
    for name in ("generaliste", "infirmiere"):
        expect(journey.accounts[name]["rpps"] in accesses.text, f"L’accès de {name} n’est pas montré.")
    expect(REASON in accesses.text, "Le motif du bris de glace n’est pas montré.")
    return "la patiente lit le document, voit les deux accès avec leur motif, et l’avis de bris de glace"


def mask(journey: Journey) -> str:
    """8. She masks it: another professional of the care team no longer finds it, its author still does."""
    journey.sign_in("generaliste2")
    status, found, reason = journey.documents("generaliste2")
    expect(
        status == 200 and len(found) == 1,
        f"Avant masquage, l’équipe de soins ne trouve pas le document ({status}) {reason}",
    )
    browser = journey.patient_browser
    expect(browser is not None, "La patiente n’est pas connectée.")
    assert browser is not None
    page = browser.page("GET", f"/mon-espace-sante/documents/{journey.reference}/")
    done = browser.submit(page, page.form("visibilite"), button=("action", "masquer"))
    expect(done.status == 200 and "Masqué" in done.text, f"Le document n’est pas masqué ({done.status}).")
    status, found, _ = journey.documents("generaliste2")
    expect(status == 200 and not found, "Un autre professionnel trouve encore le document masqué.")
    status, found, _ = journey.documents("generaliste")
    expect(status == 200 and len(found) == 1, "L’auteur ne trouve plus son document.")
    return "le document masqué n’est plus trouvé par l’équipe de soins ; son auteur le trouve encore"


def chain(journey: Journey) -> str:
    """9. Every trace follows the one before it."""
    token = software_token(journey.visitor(), journey.client[0], journey.key, "system/AuditEvent.rs")
    answer = journey.visitor().send("GET", "/fhir/AuditEvent/$verify", token=token)
    expect(answer.status_code == 200, f"La vérification répond {answer.status_code}.")
    parts = {part["name"]: part for part in answer.json()["parameter"]}
    expect(parts["result"]["valueBoolean"] is True, f"La chaîne des traces est rompue : {parts}")
    return f"{parts['traces']['valueInteger']} traces vérifiées, aucune rupture"
