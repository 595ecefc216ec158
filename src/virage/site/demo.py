"""`virage demo`: from nothing to a populated house that has just lived its care journey, and keeps serving."""

import subprocess
import sys

from virage.core import settings
from virage.core.errors import VirageError
from virage.site import house, migrations
from virage.site.serve import House, ready_line


class StepFailed(VirageError):
    """A step of the demonstration ended badly; its own message was printed."""

    code = "SITE.DEMO"
    status = 500


def play(port: int, citizens: int, seed: int) -> int:
    """Migrate, populate once, serve, play the journey, then keep serving. Answers the exit code."""
    running = House(settings.get("VIRAGE_HOST"), port)
    try:
        running.open()
        if migrations.missing():
            _step("migrate")
        populated = settings.home() / "populated"
        if not populated.exists():
            _step("sandbox populate", "--citizens", str(citizens), "--seed", str(seed))
            populated.touch()

        def tell() -> int:
            _step("journey", "--base-url", f"http://127.0.0.1:{port}")
            _step("accounts")
            ready_line(port)
            return 0

        return running.serve(tell)
    finally:
        running.close()


def _step(name: str, *options: str) -> None:
    """Run a command in a process of its own, whose memory goes when it ends. Raises StepFailed."""
    if name not in {command.name for command in house.commands()}:
        print(f"virage {name} : cette commande n'existe pas encore.", file=sys.stderr)  # noqa: T201
        return
    done = subprocess.run([sys.executable, "-m", "virage.site.cli", *name.split(), *options], check=False)  # noqa: S603
    if done.returncode:
        raise StepFailed(f"l'étape « virage {name} » a échoué (code {done.returncode}).")
