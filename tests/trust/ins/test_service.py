"""`/ins/fhir`: who reads what, the guard on matricules, the life of an identity."""

import pytest

from tests.trust.ins.conftest import DOCTOR, SOFTWARE, ask, parameters
from virage.core import audit, fhir
from virage.core.callers import Caller, system
from virage.core.errors import Forbidden, Invalid, Unknown
from virage.core.fhir import FhirRequest, json, router
from virage.core.fhir.service import SHARED
from virage.trust import ins
from virage.trust.ins import actions

TEST = "urn:oid:1.2.250.1.213.1.4.10"


@pytest.mark.usefixtures("people")
class TestReading:
    def test_a_matricule_finds_the_whole_identity(self) -> None:
        status, bundle = ask("GET", "Patient", query=f"identifier={TEST}|236066322083656")
        assert status == 200
        (entry,) = bundle["entry"]
        patient = entry["resource"]
        assert patient["identifier"][0]["system"] == TEST
        assert patient["name"][0]["family"] == "TCHITCHI"
        assert patient["name"][0]["extension"][0]["valueString"] == "CATARINA BELLA"
        assert (patient["birthDate"], patient["gender"]) == ("1936-06-21", "female")
        assert "63220" in str(patient["extension"])

    @pytest.mark.parametrize("patient", ["dominique", "anthony", "jumeau2"])
    def test_an_unqualified_identity_never_shows_its_matricule(self, patient: str) -> None:
        status, resource = ask("GET", f"Patient/{patient}")
        assert status == 200
        assert "identifier" not in resource
        assert "identifier" not in ask("GET", f"Patient/{patient}/_history/1")[1]
        bundle = ask("GET", "Patient", query=f"_id={patient}")[1]
        assert "identifier" not in bundle["entry"][0]["resource"]

    def test_a_search_must_aim(self) -> None:
        assert ask("GET", "Patient")[0] == 400
        assert ask("GET", "Patient", query="gender=female")[0] == 400
        assert ask("GET", "RelatedPerson", query="_include=RelatedPerson:patient")[0] == 400
        assert ask("GET", "RelatedPerson", query="patient=Patient/catarina")[0] == 200
        assert ask("GET", "Patient", query="family=")[0] == 400
        assert (
            ask("GET", "Patient", query="family=tchitchi&birthdate=1936-06-21")[1]["entry"][0]["resource"]["id"]
            == "catarina"
        )

    def test_a_citizen_sees_only_themselves(self) -> None:
        citizen = Caller(kind="citizen", subject="catarina", patient="catarina", scopes=frozenset({"patient/*.rs"}))
        assert ask("GET", "Patient/catarina", citizen)[0] == 200
        assert ask("GET", "Patient/jumeau1", citizen)[0] in (403, 404)
        assert not ask("GET", "Patient", citizen, query="family=de la tour")[1].get("entry")

    def test_agents_and_poor_tokens_are_refused(self) -> None:
        for caller in (
            Caller(kind="agent", subject="pilote", scopes=frozenset({"user/*.rs"})),
            Caller(kind="software", subject="x", scopes=frozenset({"system/Observation.rs"})),
        ):
            assert ask("GET", "Patient/catarina", caller)[0] == 403


class TestFace:
    @pytest.mark.usefixtures("people")
    def test_find_and_require(self) -> None:
        identity = ins.require_qualified("236066322083656", ins.rules.OID_NIR_TEST)
        assert identity.patient == "catarina"
        assert identity.matricule.value == "236066322083656"
        assert "236066322083656" not in repr(identity)
        with pytest.raises(Forbidden) as refused:
            ins.require_qualified("297022A02077878", ins.rules.OID_NIR_TEST)
        assert refused.value.code == "INS.NOT_QUALIFIED"
        with pytest.raises(Unknown):
            ins.require_qualified("279035121518989", ins.rules.OID_NIR_TEST)
        with pytest.raises(Invalid) as wrong:
            ins.find("236066322083657", ins.rules.OID_NIR_TEST)
        assert wrong.value.code == "INS.KEY_WRONG"
        recovered = ins.of_patient("dominique")
        assert recovered is not None
        assert recovered.status == "RECUP"
        with pytest.raises(Forbidden):
            _ = recovered.matricule

    @pytest.mark.usefixtures("people")
    def test_the_header_of_a_document_is_matched(self) -> None:
        identity = ins.of_patient("catarina")
        assert identity is not None
        assert ins.match_header(identity, identity.traits) == []
        other = ins.of_patient("anthony")
        assert other is not None
        assert [d.trait for d in ins.match_header(identity, other.traits)][:2] == ["family", "given"]


@pytest.mark.usefixtures("people")
class TestLife:
    def create(self, **change: object) -> tuple[int, dict]:
        body = {
            "resourceType": "Patient",
            "name": [{"use": "official", "family": "Adrun", "given": ["Zoé"]}],
            "gender": "female",
            "birthDate": "1975-12-31",
            "extension": [ins.identity.birth_place_extension("63220")],
            **change,
        }
        return ask("POST", "Patient", DOCTOR, body)

    def status(self, resource: dict) -> str:
        from virage.trust.ins.identity import state_of

        state = state_of(resource)
        assert state is not None
        return state.status.value

    def test_from_provisional_to_qualified_and_back(self) -> None:
        status, made = self.create()
        assert status == 201
        assert self.status(made) == "PROV"
        path = f"Patient/{made['id']}"
        status, recovered = ask("POST", f"{path}/$recuperer", DOCTOR, parameters())
        assert (status, self.status(recovered)) == (200, "RECUP")
        assert "identifier" not in recovered
        assert ask("POST", f"{path}/$valider", DOCTOR, parameters(mode="permis"))[0] == 422
        status, qualified = ask("POST", f"{path}/$valider", DOCTOR, parameters(mode="CN"))
        assert (status, self.status(qualified)) == (200, "QUAL")
        assert qualified["identifier"][0]["value"] == "275126322000146"
        assert qualified["name"][0]["family"] == "ADRUN"
        status, doubtful = ask("POST", f"{path}/$attribuer", DOCTOR, parameters(attribut="DOUT"))
        assert (status, self.status(doubtful)) == (200, "PROV")
        assert "identifier" not in doubtful
        assert ask("POST", f"{path}/$recuperer", DOCTOR, parameters())[0] == 409
        assert ask("POST", f"{path}/$attribuer", DOCTOR, parameters(attribut="DOUT", pose="false"))[0] == 200
        assert ask("POST", f"{path}/$recuperer", DOCTOR, parameters())[0] == 200
        moves = [trace for trace in audit.for_patient(made["id"]) if "ins.recover" in str(trace)]
        assert len(moves) == 2

    def test_a_second_identity_of_one_person_is_refused(self) -> None:
        name = [{"use": "official", "family": "TCHITCHI", "given": ["Catarina"]}]
        status, twin = self.create(name=name, birthDate="1936-06-21")
        assert status == 201
        status, outcome = ask("POST", f"Patient/{twin['id']}/$recuperer", DOCTOR, parameters())
        assert (status, outcome["issue"][0]["code"]) == (409, "duplicate")
        assert ins.find("236066322083656", ins.rules.OID_NIR_TEST).patient == "catarina"

    def test_a_refuted_identity_loses_its_matricule(self) -> None:
        doctor = system("test")
        actions.edit_traits(by=doctor, patient="jumeau2", traits=ins.of_patient("jumeau2").traits)
        identity = ins.of_patient("jumeau1")
        stored = fhir.Store(fhir.space("ins")).read("Patient", "jumeau1")
        changed = {**json.loads(stored.body), "birthDate": "1981-01-06"}
        fhir.Store(fhir.space("ins")).update(changed, by=doctor)
        after = actions.verify(by=DOCTOR, patient="jumeau1")
        assert (identity.status, after.status, after.held) == ("QUAL", "VALI", None)

    def test_edited_traits_send_back(self) -> None:
        identity = ins.of_patient("catarina")
        from dataclasses import replace

        after = actions.edit_traits(by=DOCTOR, patient="catarina", traits=replace(identity.traits, family="TCHITCHA"))
        assert after.status == "PROV"
        assert ins.find("236066322083656", ins.rules.OID_NIR_TEST) is None

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"name": []}, 422),
            ({"birthDate": None}, 422),
            ({"birthDate": "hier"}, 422),
            ({"inconnu": 1}, 422),
            ({"gender": "other", "birthDate": "1936"}, 201),
            ({"identifier": [{"system": TEST, "value": "236066322083656"}]}, 422),
            (
                {
                    "extension": [
                        {
                            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                            "valueAddress": {
                                "extension": [
                                    {
                                        "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
                                        "valueCoding": {"code": "63999"},
                                    }
                                ]
                            },
                        }
                    ]
                },
                422,
            ),
        ],
    )
    def test_a_bad_identity_is_not_written(self, change: dict, status: int) -> None:
        before = fhir.Store(fhir.space("ins")).search("Patient", [("family", "adrun")]).entries
        assert self.create(**change)[0] == status
        after = fhir.Store(fhir.space("ins")).search("Patient", [("family", "adrun")]).entries
        assert len(after) - len(before) == (status == 201)

    def test_software_without_the_scope_to_write_creates_nothing(self) -> None:
        assert ask("POST", "Patient", SOFTWARE, {"resourceType": "Patient"})[0] == 403


@pytest.mark.usefixtures("db")
class TestSharedBase:
    """The guard stands at the doors of the other bases too."""

    def write(self, resource: dict) -> tuple[int, dict]:
        request = FhirRequest(
            method="POST",
            path="Patient",
            headers={"content-type": "application/fhir+json"},
            body=json.dumps(resource),
            caller=system("test"),
            base="http://test/fhir",
        )
        response = router.handle(SHARED, request)
        return response.status, json.loads(response.body)

    def patient(self, value: str, *statuses: str) -> dict:
        parts: list[dict] = [{"url": "identityStatus", "valueCoding": {"code": statuses[0]}}] if statuses else []
        parts += [{"url": "comment", "valueCodeableConcept": {"coding": [{"code": code}]}} for code in statuses[1:]]
        reliability = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
        found: dict = {"resourceType": "Patient", "identifier": [{"system": TEST, "value": value}]}
        return {**found, "extension": [{"url": reliability, "extension": parts}]} if statuses else found

    def test_a_wrong_key_is_refused_with_its_place(self) -> None:
        status, outcome = self.write(self.patient("236066322083657"))
        assert status == 422
        assert "Patient.identifier[0].value" in str(outcome)
        assert "236066322083657" not in str(outcome)

    @pytest.mark.parametrize("statuses", [("QUAL", "DOUT"), ("PROV", "FICT"), ("VALI",), ("PROV",), ("AUTRE",)])
    def test_a_status_that_excludes_a_matricule_is_refused(self, statuses: tuple) -> None:
        assert self.write(self.patient("236066322083656", *statuses))[0] == 422

    def test_a_qualified_one_passes_and_a_recovered_one_leaves_its_matricule_inside(self) -> None:
        assert self.write(self.patient("236066322083656", "QUAL"))[1]["identifier"]
        status, recovered = self.write(self.patient("236066322083656", "RECUP"))
        assert status == 201
        assert "identifier" not in recovered
        assert self.write(self.patient("236066322083656"))[1]["identifier"]
