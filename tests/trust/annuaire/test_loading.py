"""Loading the directory: the extraction, FINESS, older publications; rejects, runs again, searches."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trust.annuaire.conftest import DOCTOR, ask, found
from virage.core.callers import Caller, system
from virage.core.errors import Malformed
from virage.trust import annuaire
from virage.trust.annuaire import extraction, finess, publication

BY = system("test")
CITIZEN = Caller(kind="citizen", subject="p1", patient="p1", scopes=frozenset({"patient/*.rs"}))
PHARMACIST = {
    **DOCTOR,
    "Identifiant PP": "99700218896",
    "Identification nationale PP": "899700218896",
    "Nom d'exercice": "NGUYEN",
    "Prénom d'exercice": "Paul",
    "Code civilité d'exercice": "",
    "Code profession": "21",
    "Libellé profession": "Pharmacien",
    "Code type savoir-faire": "",
    "Code savoir-faire": "",
    "Numéro FINESS site": "",
    "Identifiant technique de la structure": "R10100000123456",
    "Raison sociale site": "PHARMACIE D'EXEMPLE",
    "Code secteur d'activité": "SA33",
}
Write = Callable[..., Path]


@pytest.mark.usefixtures("db")
class TestExtraction:
    def test_people_situations_and_structures_are_served_under_the_national_parameters(self, write: Write) -> None:
        report = extraction.load(write(DOCTOR, {**DOCTOR, "Code savoir-faire": "SM41"}, PHARMACIST), BY)
        assert (report.read, report.created, report.rejected) == (3, 6, 0)
        (doctor,) = found("Practitioner", "identifier=https://rpps.esante.gouv.fr|99700366240")
        assert doctor["name"] == [{"family": "LEFÈVRE", "given": ["Hélène"], "prefix": ["MME"], "suffix": ["DR"]}]
        assert len(doctor["qualification"]) == 3
        for query in (
            "family=lefevre",
            "name=helene",
            "identifier=899700366240",
            "qualification-code=SM41",
            "data-information-system=RPPS&family=lef",
            "identifier-type=RPPS&given=helene",
        ):
            assert [p["id"] for p in found("Practitioner", query)] == [doctor["id"]], query
        resources = found(
            "PractitionerRole",
            f"practitioner=Practitioner/{doctor['id']}&_include=PractitionerRole:practitioner&_include=PractitionerRole:organization",
        )
        assert sorted(r["resourceType"] for r in resources) == ["Organization", "Practitioner", "PractitionerRole"]
        assert found("PractitionerRole", "role=L")
        (structure,) = found("Organization", "identifier=https://finess.esante.gouv.fr|750712184")
        assert structure["address"][0]["postalCode"] == "75013"
        assert found("Organization", "address-city=paris&type=SA01&name:contains=exemple")
        assert len(found("Organization", "_revinclude=PractitionerRole:organization&identifier=1750712184")) == 2

    def test_a_second_run_changes_nothing_and_a_changed_line_one_resource(self, write: Write) -> None:
        extraction.load(write(DOCTOR, PHARMACIST), BY)
        again = extraction.load(write(DOCTOR, PHARMACIST), BY)
        assert (again.created, again.updated, again.unchanged) == (0, 0, 6)
        changed = extraction.load(write({**DOCTOR, "Nom d'exercice": "LEFÈVRE-ROUX"}, PHARMACIST), BY)
        assert (changed.created, changed.updated, changed.unchanged) == (0, 1, 5)
        assert found("Practitioner", "family=lefevre-roux")

    def test_lines_of_one_person_may_be_apart(self, write: Write) -> None:
        extraction.load(write(DOCTOR, PHARMACIST, {**DOCTOR, "Code savoir-faire": "SM41"}), BY)
        (doctor,) = found("Practitioner", "identifier=899700366240")
        codes = [c["code"] for q in doctor["qualification"] for c in q["code"]["coding"]]
        assert {"SM54", "SM41"} <= set(codes)

    def test_bad_lines_are_reported_one_by_one_and_the_others_taken(self, write: Write) -> None:
        bad = [
            {**DOCTOR, "Identification nationale PP": "899700366241"},
            {**DOCTOR, "Identification nationale PP": ""},
            {**DOCTOR, "Nom d'exercice": ""},
            {**DOCTOR, "Code profession": ""},
            "trop|court",
        ]
        wrong_site = {**PHARMACIST, "Numéro FINESS site": "750712185", "Numéro SIRET site": "26010004500013"}
        report = extraction.load(write(*bad, wrong_site), BY)
        assert (report.read, report.rejected, report.warnings) == (6, 5, 2)
        assert report.rejects is not None
        lines = report.rejects.read_text("utf-8").splitlines()
        assert [line.split("\t")[0] for line in lines] == ["2", "3", "4", "5", "6", "7", "7"]
        assert "RPPS" in lines[0]
        assert "2 colonnes" in lines[4]
        assert found("Practitioner", "family=nguyen")
        assert not found("Practitioner", "family=lefevre")

    def test_a_line_in_another_encoding_is_one_reject(self, write: Write) -> None:
        path = write(PHARMACIST)
        path.write_bytes(path.read_bytes() + b"8|\xe9|\n")
        assert extraction.load(path, BY).rejected == 1

    def test_a_citizen_reads_the_directory_and_writes_nothing(self, write: Write) -> None:
        extraction.load(write(DOCTOR), BY)
        query = "practitioner.identifier=99700366240&_include=PractitionerRole:organization"
        for asked, path in (("identifier=99700366240", "Practitioner"), (query, "PractitionerRole")):
            status, bundle = ask(path, asked, CITIZEN)
            assert status == 200
            assert bundle["entry"]
            for one in bundle["entry"]:
                resource = one["resource"]
                assert ask(f"{resource['resourceType']}/{resource['id']}", caller=CITIZEN)[0] == 200
        assert ask("Practitioner", caller=CITIZEN, method="POST", body=b'{"resourceType":"Practitioner"}')[0] in (
            403,
            405,
        )

    def test_a_file_that_is_something_else_is_refused_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "autre.txt"
        for content in ("a|b\n1|2\n", "", "PK\x03\x04"):
            path.write_text(content)
            with pytest.raises(Malformed) as refused:
                extraction.load(path, BY)
            assert refused.value.code == "ANNUAIRE.HEADER"
            with pytest.raises(Malformed):
                finess.load(path, BY)

    def test_other_rooms_ask_for_a_professional(self, write: Write) -> None:
        street = {
            "Numéro Voie": "20",
            "Indice répétition voie": "B",
            "Libellé type de voie": "Rue",
            "Libellé Voie": "LEBLANC",
            "Téléphone": "0100000000",
        }
        extraction.load(write({**DOCTOR, **{f"{name} (coord. structure)": cell for name, cell in street.items()}}), BY)
        known = annuaire.professional("99700366240")
        assert known is not None
        (exercice,) = known["exercices"]
        assert (exercice["codeProfession"], exercice["codeSavoirFaire"]) == ("10", "SM54")
        (activity,) = exercice["activities"]
        assert (activity["numeroFinessSite"], activity["codeSecteurDactivite"], activity["codeModeExercice"]) == (
            "750712184",
            "SA01",
            "L",
        )
        assert known["civilite"] == DOCTOR["Code civilité"]
        assert activity["codePostal"] == DOCTOR["Code postal (coord. structure)"]
        assert activity["codeDepartement"] == activity["codeCommune"][:2] == "75"
        assert (activity["numeroVoie"], activity["libelleVoie"]) == ("20", "Rue LEBLANC")
        assert (activity["indiceRepetitionVoie"], activity["telephone"], activity["telephone2"]) == (
            "B",
            "0100000000",
            "",
        )
        assert (activity["bureauCedex"], activity["adresseEMail"]) == ("", "")
        assert annuaire.professional("99700218896") is None


RATCHET = json.loads((Path(__file__).resolve().parents[2] / "conformity" / "ratchet.json").read_text())
SITE = "geolocalisation;010000024;869998.0;6571170.4;1,ATLASANTE,100,IGN,BD_ADRESSE,V2.2,LAMBERT_93;2026-05-12"


@pytest.mark.usefixtures("db")
class TestFiness:
    def test_the_public_sample_is_taken_whole_and_again(self, shared_data: Path) -> None:
        (path,) = (shared_data / "finess-sample").glob("*.csv")
        lines = len(path.read_bytes().splitlines()) - 1
        assert lines >= RATCHET["finess.lines"]
        report = finess.load(path, BY)
        assert (report.read, report.created, report.rejected) == (lines, lines, 0)
        again = finess.load(path, BY)
        assert (again.created, again.updated, again.unchanged) == (0, 0, lines)
        (hospital,) = found("Organization", "identifier=https://finess.esante.gouv.fr|010000024")
        assert hospital["name"] == "CENTRE HOSPITALIER DE BOURG-EN-BRESSE FLEYRIAT"
        assert hospital["address"][0]["city"] == "VIRIAT"
        assert hospital["partOf"]["identifier"]["value"] == "010780054"
        assert found("Organization", "type=355&address-postalcode=01440")
        assert found("Organization", "data-information-system=FINESS&address-city=cayenne")

    def test_positions_come_with_or_after_their_line(self, shared_data: Path, tmp_path: Path) -> None:
        (sample,) = (shared_data / "finess-sample").glob("*.csv")
        path = tmp_path / "geo.csv"
        path.write_bytes(b"\n".join(sample.read_bytes().splitlines()[:2]) + b"\n" + SITE.encode() + b"\n")
        assert finess.load(path, BY).rejected == 0
        position = found("Organization", "identifier=1010000024")[0]["address"][0]["extension"][-1]
        latitude, longitude = (part["valueDecimal"] for part in position["extension"])
        assert 46.1 < float(latitude) < 46.3
        assert 5.1 < float(longitude) < 5.3

    def test_latin1_and_bad_lines(self, tmp_path: Path) -> None:
        good = "structureet;010000024;010780054;HÔPITAL;HÔPITAL É;;;;;;;;451;01;AIN;01440 VIRIAT;;;355;;;;;;;;;;;;;"
        path = tmp_path / "finess.csv"
        text = io.StringIO()
        text.write("finess;etalab;96;2026-05-12\n" + good + "\n")
        text.write(good.replace("010000024", "010000025") + "\nstructureet;court\nautre;1\n")
        text.write(SITE.replace("010000024", "750712184") + "\n" + SITE.replace("LAMBERT_93", "UTM_N20") + "\n")
        path.write_bytes(text.getvalue().encode("latin-1"))
        report = finess.load(path, BY)
        assert (report.created, report.rejected) == (1, 5)
        assert found("Organization", "name=hôpital é")

    def test_finess_is_the_authority_on_structures(self, write: Write, shared_data: Path) -> None:
        (path,) = (shared_data / "finess-sample").glob("*.csv")
        finess.load(path, BY)
        extraction.load(write({**DOCTOR, "Numéro FINESS site": "010000024", "Raison sociale site": "AUTRE NOM"}), BY)
        (hospital,) = found("Organization", "identifier=1010000024")
        assert hospital["name"] == "CENTRE HOSPITALIER DE BOURG-EN-BRESSE FLEYRIAT"


@pytest.mark.usefixtures("db")
class TestPublication:
    def test_the_published_examples_are_taken(self, shared_data: Path) -> None:
        taken = 0
        for path in sorted((shared_data / "ans-annuaire-examples").glob("*.json")):
            report = publication.load(path, BY)
            taken += report.created
            assert report.read == report.created > 0, (path.name, report)
            assert report.rejected == 0
            again = publication.load(path, BY)
            assert (again.created, again.updated) == (0, 0)
        assert taken >= RATCHET["annuaire.samples"]
        assert found("Practitioner", "identifier=810102727017")
        assert found("Organization", "identifier=https://finess.esante.gouv.fr|754567860")

    @pytest.mark.parametrize("text", ['{"resourceType": "Patient"}', "[1]", "{", '{"resourceType": "Practitioner"}'])
    def test_what_is_not_an_entry_is_refused(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        path.write_text(text)
        report = publication.load(path, BY)
        assert (report.rejected, report.created) == (1, 0)

    @pytest.mark.parametrize("text", ["", "[" * 100_000, "{]", "\x00"])
    def test_what_cannot_be_read_is_refused(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        path.write_text(text)
        with pytest.raises(Malformed) as refused:
            publication.load(path, BY)
        assert refused.value.code == "ANNUAIRE.JSON"


@pytest.mark.usefixtures("db")
def test_the_directory_is_read_only() -> None:
    body = b'{"resourceType":"Practitioner"}'
    assert ask("Practitioner", method="POST", body=body)[0] in (403, 405)
    assert ask("Practitioner/x", method="DELETE")[0] in (403, 405)
    assert ask("metadata")[0] == 200
    assert ask("Practitioner", "inconnu=1")[0] == 400
