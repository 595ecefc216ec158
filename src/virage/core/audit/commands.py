"""`virage audit verify`."""

from argparse import Namespace

from virage.core.commands import Command

_WHAT = {
    "changed": "son contenu a été modifié",
    "unlinked": "la trace qui la précédait a été remplacée",
    "missing": "une trace qui la précédait a disparu",
    "cut": "la fin de la chaîne a disparu",
    "added": "elle a été ajoutée sans passer par le journal",
}


def verify(arguments: Namespace) -> int:
    """Check every chain; exit 1 and name the first link that does not hold."""
    from virage.core import audit

    verdict = audit.verify()
    if verdict.broken is None:
        print(f"{verdict.traces} traces sur {verdict.lanes} chaînes vérifiées : toutes se suivent.")
        return 0
    link = verdict.broken
    print(
        f"Chaîne {link.lane}, trace {link.seq} du {link.recorded:%Y-%m-%d %H:%M:%S %Z} : {_WHAT[link.what]}. "
        "Comparer avec la dernière sauvegarde avant toute autre écriture."
    )
    return 1


COMMANDS = (Command("audit verify", "Vérifie la chaîne des traces et nomme le premier maillon rompu.", verify),)
