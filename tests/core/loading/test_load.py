"""`virage load`: what it takes, what it refuses in one line, where rejects go."""

from pathlib import Path

import pytest

from virage.core import loading
from virage.core.callers import Caller
from virage.core.loading import Loader, Rejects, Report
from virage.site.cli import main


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind `lignes` whose loader refuses the lines that begin with `!`."""

    def run(path: Path, by: Caller) -> Report:
        report = Report()
        with Rejects("lignes", path, report) as rejects, path.open() as file:
            for number, line in enumerate(file, start=1):
                report.read += 1
                if line.startswith("!"):
                    rejects.reject(number, "refusée", line)
                else:
                    report.created += 1
        return report

    monkeypatch.setitem(loading.LOADERS, "lignes", Loader("lignes", "des lignes", run))


@pytest.mark.usefixtures("lines")
def test_rejects_are_written_line_by_line_and_go_when_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("un\n!deux\ntrois\n!quatre\n")
    assert main(["load", "lignes", str(path)]) == 0
    told = capsys.readouterr().out
    assert "4 lus, 2 créés" in told
    rejects = Path(told.strip().rpartition(" ")[2])
    assert rejects.read_text().splitlines() == ["2\trejet\trefusée\t!deux", "4\trejet\trefusée\t!quatre"]
    path.write_text("un\n")
    assert main(["load", "lignes", str(path)]) == 0
    assert not rejects.exists()


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["load"], "dire quelle sorte"),
        (["load", "inconnue", "x"], "sorte « inconnue » inconnue"),
        (["load", "lignes"], "donner le fichier"),
        (["load", "lignes", "/nulle/part"], "n'existe pas"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told


def test_rooms_registered_their_kinds() -> None:
    from virage.site import house

    house.commands()
    assert {"annuaire", "finess", "cog"} <= set(loading.LOADERS)


@pytest.mark.usefixtures("lines")
def test_a_folder_is_loaded_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["load", "lignes", str(tmp_path)]) == 2
    assert "aucun fichier" in capsys.readouterr().err
    for name, text in (("b.txt", "un\n"), ("a.txt", "un\ndeux\n"), (".caché", "!\n")):
        (tmp_path / name).write_text(text)
    assert main(["load", "lignes", str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(" :")[0] for line in told] == ["lignes (a.txt)", "lignes (b.txt)"]
