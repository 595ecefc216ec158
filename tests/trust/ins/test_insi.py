"""INSi through `/ins/fhir`: answers, refusals, traces."""

import pytest

from tests.trust.ins.conftest import DOCTOR, SOFTWARE, ask, parameters
from virage.core import audit
from virage.core.callers import Caller

CATARINA = {
    "nomNaissance": "Tchitchi",
    "prenom": "Catarina",
    "sexe": "F",
    "dateNaissance": "1936-06-21",
    "lieuNaissance": "63220",
}


def recherche(caller: Caller = DOCTOR, **values: str | list[str]) -> tuple[int, dict]:
    return ask("POST", "Patient/$insi-recherche", caller, parameters(**values))


def values(answer: dict) -> dict:
    return {
        p["name"]: next((v for k, v in p.items() if k.startswith("value")), p.get("part")) for p in answer["parameter"]
    }


def parts(part: list[dict]) -> dict:
    return values({"parameter": part})


@pytest.mark.usefixtures("people")
class TestRecherche:
    def test_one_person_is_found_with_matricule_and_traits(self) -> None:
        status, answer = recherche(**CATARINA)
        assert status == 200
        found = values(answer)
        assert (found["codeCR"], found["libelleCR"]) == ("00", "OK")
        individu = parts(found["individu"])
        assert parts(individu["insActif"]) == {
            "numIdentifiant": "2360663220836",
            "cle": "56",
            "oid": "1.2.250.1.213.1.4.10",
        }
        assert parts(individu["tiq"])["listePrenom"] == "CATARINA BELLA"
        patient = next(p["resource"] for p in answer["parameter"] if p["name"] == "patient")
        assert patient["id"] == "catarina"
        assert patient["identifier"][0]["value"] == "236066322083656"

    def test_the_place_is_optional_and_each_given_name_counts(self) -> None:
        assert values(recherche(**{**CATARINA, "lieuNaissance": ""})[1])["codeCR"] == "00"
        assert values(recherche(**{**CATARINA, "prenom": ["Catarina", "Bella"]})[1])["codeCR"] == "00"
        assert values(recherche(**{**CATARINA, "prenom": ["Bella", "Catarina"]})[1])["codeCR"] == "01"
        assert values(recherche(**{**CATARINA, "prenom": "Ola"})[1])["codeCR"] == "01"

    def test_several_people_give_no_matricule(self) -> None:
        status, answer = recherche(nomNaissance="DE LA TOUR", prenom="Jean-Luc", sexe="M", dateNaissance="1981-01-05")
        assert status == 200
        assert values(answer) == {"codeCR": "02", "libelleCR": "Plusieurs identites trouvees"}
        one = recherche(
            nomNaissance="DE-LA-TOUR", prenom="Jean", sexe="M", dateNaissance="1981-01-05", lieuNaissance="63220"
        )
        assert values(one[1])["codeCR"] == "00"

    def test_a_known_person_whose_identity_is_not_qualified_leaves_without_matricule_in_its_patient(self) -> None:
        status, answer = recherche(nomNaissance="ADRTROIS", prenom="Dominique", sexe="F", dateNaissance="1997-02-26")
        patient = next(p["resource"] for p in answer["parameter"] if p["name"] == "patient")
        assert status == 200
        assert "identifier" not in patient

    @pytest.mark.parametrize(
        ("change", "code", "path"),
        [
            ({"nomNaissance": ""}, "required", "nomNaissance"),
            ({"prenom": ""}, "required", "prenom"),
            ({"sexe": "I"}, "value", "sexe"),
            ({"nomNaissance": "Tch1tchi"}, "value", "nomNaissance"),
            ({"dateNaissance": "1936-13-40"}, "value", "dateNaissance"),
            ({"dateNaissance": "19360621"}, "value", "dateNaissance"),
            ({"dateNaissance": ""}, "required", "dateNaissance"),
            ({"lieuNaissance": "99998"}, "code-invalid", "lieuNaissance"),
        ],
    )
    def test_bad_traits_are_refused_with_their_path(self, change: dict, code: str, path: str) -> None:
        status, outcome = recherche(**{**CATARINA, **change})
        assert status == 422
        assert outcome["issue"][0]["code"] == code
        assert path in str(outcome["issue"][0])

    def test_only_professionals_and_software_with_scopes_may_ask(self) -> None:
        assert recherche(SOFTWARE, **CATARINA)[0] == 200
        citizen = Caller(kind="citizen", subject="catarina", patient="catarina", scopes=frozenset({"patient/*.rs"}))
        agent = Caller(kind="agent", subject="pilote", scopes=frozenset({"user/*.rs"}))
        poor = Caller(kind="software", subject="x", scopes=frozenset({"system/Observation.rs"}))
        for caller in (citizen, agent, poor):
            status, outcome = recherche(caller, **CATARINA)
            assert status == 403
            assert outcome["resourceType"] == "OperationOutcome"

    def test_each_question_is_traced_on_the_person_it_found(self) -> None:
        recherche(**CATARINA)
        traces = audit.for_patient("catarina")
        assert any("ins.recherche" in str(trace) and "899700366240" in str(trace) for trace in traces)


@pytest.mark.usefixtures("people")
class TestVerification:
    def verification(self, **change: str) -> tuple[int, dict]:
        asked = {**CATARINA, "matricule": "2360663220836", "cle": "56", "oid": "1.2.250.1.213.1.4.10", **change}
        return ask("POST", "Patient/$insi-verification", DOCTOR, parameters(**asked))

    def test_matricule_and_traits_agree(self) -> None:
        assert values(self.verification()[1])["codeCR"] == "00"

    def test_any_other_trait_is_a_refutation_that_tells_nothing(self) -> None:
        for change in ({"sexe": "M"}, {"dateNaissance": "1936-06-22"}, {"prenom": "Bella"}, {"lieuNaissance": "63113"}):
            status, answer = self.verification(**change)
            assert status == 200
            assert values(answer) == {"codeCR": "01", "libelleCR": "Aucune identite trouvee"}

    @pytest.mark.parametrize(
        "change", [{"cle": "57"}, {"oid": "1.2.250.1.213.1.4.8"}, {"oid": ""}, {"matricule": "236"}]
    )
    def test_a_bad_matricule_is_refused(self, change: dict) -> None:
        status, outcome = self.verification(**change)
        assert status == 422
        assert outcome["issue"][0]["severity"] == "error"


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"nomNaissance": ""}, "nomNaissance"),
        ({"nomNaissance": "Tchitchi2"}, "nomNaissance"),
        ({"prenom": ""}, "prenom"),
        ({"sexe": "X"}, "sexe"),
        ({"dateNaissance": "21/06/1936"}, "dateNaissance"),
        ({"lieuNaissance": "ICI"}, "lieuNaissance"),
        ({"lieunaissance": "63220"}, "lieunaissance"),
    ],
)
def test_a_refusal_names_the_parameter_that_was_sent(changed: dict[str, str], place: str) -> None:
    status, answer = recherche(**{**CATARINA, **changed})
    assert status in (400, 422)
    assert answer["issue"][0]["expression"] == [place]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("identifier=urn:oid:1.2.250.1.213.1.4.10|", 400),
        ("birthdate=ge1900", 400),
        ("birthdate=1936", 400),
        ("family=T", 400),
        ("family:missing=false", 400),
        ("birthdate=1936-06-21", 200),
        ("family=Tc", 200),
        ("identifier=236066322083656", 200),
    ],
)
def test_nobody_leafs_through_the_identities(query: str, expected: int) -> None:
    assert ask("GET", "Patient", DOCTOR, query=query)[0] == expected
