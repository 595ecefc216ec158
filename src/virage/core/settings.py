"""Every setting of the house: an environment variable, its default, and one line that says what it is for.

Read at each call, never cached, so that a test or a child process that changes the environment is obeyed. `docs/settings.md`
is made from this table (`virage settings --markdown`) and a test compares the two.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from virage.core.errors import VirageError, reason_of


class SettingError(VirageError):
    """A setting is missing or makes no sense; the process must not start."""

    code = "VIRAGE.SETTING"
    status = 500
    issue = "exception"


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: `default` as it would be written in the environment, `text` French, for people."""

    name: str
    default: str
    text: str
    secret: bool = False


TABLE: tuple[Setting, ...] = (
    Setting("VIRAGE_HOME", ".virage", "Dossier des données : base embarquée, fichiers, clés, journaux."),
    Setting(
        "VIRAGE_SANDBOX",
        "0",
        "`1` ouvre le bac à sable : personnes inventées, jetons de démonstration, secrets générés.",
    ),
    Setting("VIRAGE_SECRET_KEY", "", "Secret qui signe les sessions ; obligatoire hors du bac à sable.", secret=True),
    Setting(
        "VIRAGE_DATABASE_URL",
        "",
        "`postgresql://…` d'un PostgreSQL 15 ou plus récent ; vide : PostgreSQL embarqué.",
        secret=True,
    ),
    Setting("VIRAGE_DATABASE_PREPARE", "1", "`0` si un PgBouncer en mode transaction est devant PostgreSQL."),
    Setting("VIRAGE_HOST", "127.0.0.1", "Adresse d'écoute du serveur web."),
    Setting("PORT", "8000", "Port du serveur web."),
    Setting("VIRAGE_BASE_URL", "", "Adresse publique du service ; vide : `http://127.0.0.1:PORT`."),
    Setting(
        "VIRAGE_ALLOWED_HOSTS",
        "localhost,127.0.0.1,[::1]",
        "Noms sous lesquels le site répond, séparés par des virgules.",
    ),
    Setting("VIRAGE_WORKERS", "1", "Nombre de processus web."),
    Setting("VIRAGE_THREADS", "8", "Nombre de fils par processus web (une connexion à la base chacun)."),
    Setting(
        "VIRAGE_TASKS",
        "1",
        "`0` : `virage serve` ne lance pas de tâches de fond (elles tournent alors par `virage worker`).",
    ),
    Setting(
        "VIRAGE_BLOBS",
        "",
        "Dépôt des fichiers : vide pour `VIRAGE_HOME/blobs`, un autre dossier, ou `s3://depot/prefixe` (dépôt d'objets).",
    ),
    Setting("VIRAGE_S3_ENDPOINT", "", "Adresse du dépôt d'objets ; vide : celle d'Amazon pour la région."),
    Setting("VIRAGE_S3_REGION", "us-east-1", "Région du dépôt d'objets, telle que sa signature la nomme."),
    Setting("VIRAGE_S3_KEY", "", "Identifiant de la clé d'accès au dépôt d'objets."),
    Setting("VIRAGE_S3_SECRET", "", "Secret de cette clé.", secret=True),
    Setting(
        "VIRAGE_MAX_BODY", "67108864", "Taille maximale, en octets, du corps d'une requête FHIR, une fois décompressé."
    ),
    Setting(
        "VIRAGE_FHIR_UNIQUE",
        "",
        "Identifiants que deux ressources de `/fhir` ne portent jamais ensemble : `Type=système`, séparés par des espaces.",
    ),
    Setting(
        "VIRAGE_FHIR_KEPT",
        "32",
        "Mémoire, en Mio par processus web, où restent les ressources lues depuis peu (base embarquée) ; `0` : aucune.",
    ),
    Setting("VIRAGE_SEARCH_SECONDS", "10", "Durée au bout de laquelle une recherche FHIR est arrêtée, en secondes."),
    Setting("VIRAGE_EXPORT_HOURS", "24", "Durée de garde des fichiers d'un export ou d'un import en masse, en heures."),
    Setting(
        "VIRAGE_IMPORT_PROCESSES",
        "",
        "Nombre de processus qui préparent les lignes d'un grand $import ; vide : un de moins que de cœurs ; `0` : aucun.",
    ),
    Setting("VIRAGE_IMPORT_BYTES", "53687091200", "Taille maximale, en octets, d'un fichier donné à $import."),
    Setting(
        "VIRAGE_SUBSCRIPTION_LOOPBACK",
        "0",
        "`1` laisse les abonnements et les imports joindre cette machine même (essais seulement).",
    ),
    Setting("VIRAGE_PKI_ROOTS", "", "Fichier PEM des autorités racines reconnues (celles de l'IGC-Santé)."),
    Setting("VIRAGE_ACCESS_SECONDS", "120", "Durée d'un jeton d'accès remis par Pro Santé Connect, en secondes."),
    Setting("VIRAGE_REFRESH_SECONDS", "1800", "Durée d'un jeton de rafraîchissement, en secondes."),
    Setting("VIRAGE_ECPS_PIN", "1234", "Code PIN des e-CPS de démonstration (bac à sable seulement)."),
    Setting("VIRAGE_ECPS_FAILURES", "5", "Nombre d'échecs de suite qui bloquent une e-CPS."),
    Setting("VIRAGE_ECPS_LOCK_SECONDS", "900", "Durée du blocage d'une e-CPS, en secondes."),
    Setting("VIRAGE_PSC_ISSUER", "", "Fournisseur d'identité des professionnels ; vide : `/psc` de ce serveur."),
    Setting("VIRAGE_PSC_CLIENT_ID", "virage-portails", "Identifiant des portails chez ce fournisseur."),
    Setting("VIRAGE_PSC_CLIENT_SECRET", "", "Leur secret ; vide : celui de ce serveur.", secret=True),
    Setting("VIRAGE_FRANCECONNECT_ISSUER", "", "Fournisseur d'identité des usagers ; vide : celui du bac à sable."),
    Setting("VIRAGE_FRANCECONNECT_CLIENT_ID", "virage-portails", "Identifiant des portails chez ce fournisseur."),
    Setting("VIRAGE_FRANCECONNECT_CLIENT_SECRET", "", "Leur secret ; vide : celui de ce serveur.", secret=True),
    Setting("VIRAGE_PROCONNECT_ISSUER", "", "Fournisseur d'identité des agents ; vide : celui du bac à sable."),
    Setting("VIRAGE_PROCONNECT_CLIENT_ID", "virage-portails", "Identifiant des portails chez ce fournisseur."),
    Setting("VIRAGE_PROCONNECT_CLIENT_SECRET", "", "Leur secret ; vide : celui de ce serveur.", secret=True),
    Setting(
        "VIRAGE_AUDIT_LATER", "1", "`0` : chaque trace de lecture est écrite aussitôt, au lieu de par lots de 200 ms."
    ),
    Setting("VIRAGE_DMP_NOTICE_DAYS", "42", "Délai d'opposition à l'ouverture d'un DMP, en jours (R. 1111-28)."),
    Setting("VIRAGE_THEME", "neutral", "`neutral`, ou `dsfr` (système de design réservé à l'État)."),
    Setting("VIRAGE_LOG_LEVEL", "WARNING", "Niveau du journal : `DEBUG`, `INFO`, `WARNING`, `ERROR`."),
    Setting(
        "VIRAGE_SHARED_DATA", "", "Dossier de jeux de données publics pour les tests ; le produit ne s'en sert pas."
    ),
)

_BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in TABLE}


def get(name: str) -> str:
    """The value of a setting, its default where the environment is silent. KeyError for a name not in the table."""
    setting = _BY_NAME[name]
    return os.environ.get(name, "").strip() or setting.default


def flag(name: str) -> bool:
    """True for `1`, `true`, `yes`, `oui`; false for `0`, `false`, `no`, `non` and empty. Raises SettingError otherwise."""
    value = get(name).lower()
    if value in {"1", "true", "yes", "oui"}:
        return True
    if value in {"", "0", "false", "no", "non"}:
        return False
    raise SettingError(f"{name} vaut « {value} » : écrire 1 ou 0.")


def number(name: str, least: int = 0, most: int = 2**31) -> int:
    """A whole number between `least` and `most`. Raises SettingError."""
    value = get(name)
    if not value.isdecimal() or not least <= int(value) <= most:
        raise SettingError(f"{name} vaut « {value} » : écrire un nombre entre {least} et {most}.")
    return int(value)


def home() -> Path:
    """The data folder, absolute; not created here."""
    return Path(get("VIRAGE_HOME")).expanduser().absolute()


def sandbox() -> bool:
    """Whether this is the sandbox of invented people.

    Said by VIRAGE_SANDBOX; where it is silent, by the home: only a sandbox keeps a generated secret there, so that commands
    need nothing but VIRAGE_HOME to join a running demonstration. Starting a service asks for the word itself (`require`).
    """
    if os.environ.get("VIRAGE_SANDBOX", "").strip():
        return flag("VIRAGE_SANDBOX")
    return not get("VIRAGE_SECRET_KEY") and (home() / "keys" / "secret_key").exists()


def base_url() -> str:
    """The address under which the outside sees the house, without a final slash."""
    return get("VIRAGE_BASE_URL").rstrip("/") or f"http://127.0.0.1:{get('PORT')}"


def folder(*parts: str) -> Path:
    """A private folder (0700) under the data folder, created if missing."""
    make_home()
    path = home().joinpath(*parts)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def make_home() -> Path:
    """The data folder, created if missing: others may pass through it (the database's own user does) but not list it."""
    path = home()
    try:
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"VIRAGE_HOME ({path}) ne peut pas être créé : {reason_of(error)}.") from error
    return path


def secret_key() -> str:
    """The secret that signs sessions: from the environment, or kept in the sandbox's own file. Empty where there is none."""
    value = get("VIRAGE_SECRET_KEY")
    if value or not sandbox():
        return value
    path = folder("keys") / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    draft = path.with_name(f"secret_key.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        os.link(draft, path)  # the first of two processes wins, both then read the same
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def require(*, service: bool = False) -> None:
    """Refuse to start without what the house needs. Raises SettingError with what to do.

    A `service` is a sandbox only where VIRAGE_SANDBOX=1 says so itself.
    """
    if not (get("VIRAGE_SECRET_KEY") if service and not flag("VIRAGE_SANDBOX") else secret_key()):
        raise SettingError(
            "VIRAGE_SECRET_KEY manque : donner un secret d'au moins 32 caractères, ou VIRAGE_SANDBOX=1 pour une démonstration."
        )
    if len(secret_key()) < 32:
        raise SettingError("VIRAGE_SECRET_KEY est trop court : donner au moins 32 caractères.")


def attached() -> bool:
    """Whether this process is a child of `virage serve`, which alone starts and stops the embedded database."""
    return os.environ.get("_VIRAGE_ATTACHED") == "1"


def markdown() -> str:
    """The whole of `docs/settings.md`."""
    lines = [
        "# Réglages",
        "",
        "Des variables d'environnement, lues au démarrage. Ce tableau est fait par `virage settings --markdown`.",
        "",
        "| nom | par défaut | à quoi il sert |",
        "|---|---|---|",
    ]
    lines += [f"| `{one.name}` | {f'`{one.default}`' if one.default else ''} | {one.text} |" for one in TABLE]
    return "\n".join([*lines, ""])
