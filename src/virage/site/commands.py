"""The site's own commands: run the house, keep its database in form."""

from argparse import ArgumentParser, Namespace

from virage.core.commands import Command
from virage.core.errors import VirageError


def migrate(arguments: Namespace) -> int:
    """Bring the database to the form that this version expects."""
    from virage.site import upgrade

    return upgrade.migrate()


def _configure_port(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, help="port (sinon PORT, sinon 8000)")


def serve(arguments: Namespace) -> int:
    """Serve until a signal."""
    from virage.core import settings
    from virage.site import migrations
    from virage.site.serve import House, port_of, ready_line

    port = port_of(arguments.port)
    house = House(settings.get("VIRAGE_HOST"), port)
    try:
        house.open()
        if lacking := migrations.missing():
            raise VirageError(
                f"la base n'est pas à jour ({len(lacking)} étapes manquent) : lancer d'abord « virage migrate »."
            )

        def tell() -> int:
            ready_line(port)
            return 0

        return house.serve(tell)
    finally:
        house.close()


def worker(arguments: Namespace) -> int:
    """Run background work alone, until a signal."""
    import signal
    import threading

    from virage.core.events.worker import Worker

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    running = Worker()
    running.start()
    stop.wait()
    running.stop()
    return 0


def _configure_demo(parser: ArgumentParser) -> None:
    _configure_port(parser)
    parser.add_argument("--citizens", type=int, default=1000, help="nombre de citoyens inventés au premier lancement")
    parser.add_argument(
        "--seed", type=int, default=2026, help="graine du pays inventé (2026, comme « sandbox populate »)"
    )


def demo(arguments: Namespace) -> int:
    """Everything, from an empty folder to a house that serves."""
    from virage.site import demo as script
    from virage.site.serve import port_of

    return script.play(port_of(arguments.port), arguments.citizens, arguments.seed)


def _configure_folder(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DOSSIER", help="le dossier de la sauvegarde")


def backup(arguments: Namespace) -> int:
    """Write a backup."""
    from pathlib import Path

    from virage.site.backup import save

    print(f"sauvegarde complète : {save(Path(arguments.folder))}")
    return 0


def restore(arguments: Namespace) -> int:
    """Fill an empty house from a backup."""
    from pathlib import Path

    from virage.site.backup import restore as fill

    print(f"maison restaurée ; fichiers : {fill(Path(arguments.folder))}")
    return 0


def _configure_settings(parser: ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="le tableau de docs/settings.md")


def show_settings(arguments: Namespace) -> int:
    """Print every setting with its value, secrets hidden."""
    from virage.core import settings

    if arguments.markdown:
        print(settings.markdown(), end="")
        return 0
    for setting in settings.TABLE:
        value = settings.get(setting.name)
        print(f"{setting.name}={'…' if setting.secret and value else value}")
    return 0


def distribute(arguments: Namespace) -> int:
    """Ask the FHIR store to spread its tables over the nodes of a Citus cluster."""
    from virage.core.fhir.store.distribution import distribute as spread

    tables = spread()
    print(f"tables réparties : {', '.join(tables) or 'aucune, elles l’étaient déjà'}")
    return 0


COMMANDS = (
    Command("migrate", "Met la base de données à la forme attendue par cette version.", migrate),
    Command("serve", "Sert le site, les interfaces et les tâches de fond.", serve, _configure_port, service=True),
    Command("worker", "Exécute les tâches de fond, à côté de « serve ».", worker, service=True),
    Command(
        "demo", "Prépare et sert la démonstration, après y avoir joué le parcours de soins.", demo, _configure_demo
    ),
    Command("backup", "Sauvegarde la base, les fichiers et les clés dans un dossier neuf.", backup, _configure_folder),
    Command("restore", "Remplit une maison vide avec une sauvegarde.", restore, _configure_folder),
    Command("settings", "Montre les réglages et leur valeur.", show_settings, _configure_settings, django=False),
    Command("db distribute", "Répartit les tables cliniques sur les nœuds de Citus.", distribute),
)
