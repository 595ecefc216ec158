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
    parser.add_argument("--seed", type=int, default=1, help="graine du pays inventé")


def demo(arguments: Namespace) -> int:
    """Everything, from an empty folder to a house that serves."""
    from virage.site import demo as script
    from virage.site.serve import port_of

    return script.play(port_of(arguments.port), arguments.citizens, arguments.seed)


COMMANDS = (
    Command("migrate", "Met la base de données à la forme attendue par cette version.", migrate),
    Command("serve", "Sert le site, les interfaces et les tâches de fond.", serve, _configure_port, service=True),
    Command("worker", "Exécute les tâches de fond, à côté de « serve ».", worker, service=True),
    Command(
        "demo", "Prépare et sert la démonstration, après y avoir joué le parcours de soins.", demo, _configure_demo
    ),
)
