"""Django's settings, all derived from the table of `virage.core.settings`."""

from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from virage.core import settings as house_settings
from virage.core.settings import SettingError, flag, get, sandbox, secret_key
from virage.site import house

THEMES = ("neutral", "dsfr")

SECRET_KEY = secret_key()
DEBUG = False
ALLOWED_HOSTS = [host.strip() for host in get("VIRAGE_ALLOWED_HOSTS").split(",") if host.strip()]
CSRF_TRUSTED_ORIGINS = [house_settings.base_url()]
ROOT_URLCONF = "virage.site.urls"
WSGI_APPLICATION = "virage.site.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    "procrastinate.contrib.django",
    *house.apps(),
    "virage.site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "virage.core.accounts.middleware.Callers",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "virage.core.web.middleware.PageHeaders",
    "virage.core.web.middleware.Refusals",
]
CSRF_FAILURE_VIEW = "virage.core.web.refusals.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "virage.core.web.context.house",
            ],
        },
    },
]


def _database(url: str) -> dict[str, Any]:
    """Django's description of the database: an empty HOST means the embedded server, found when first connecting."""
    prepare = 5 if flag("VIRAGE_DATABASE_PREPARE") else None
    described: dict[str, Any] = {
        "ENGINE": "virage.core.db.backend",
        "NAME": "virage",
        "HOST": "",
        "PORT": "",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": prepare is None,
        "OPTIONS": {"prepare_threshold": prepare, "application_name": "virage"},
    }
    if url:
        parts = urlsplit(url)
        if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
            raise SettingError("VIRAGE_DATABASE_URL doit s'écrire postgresql://utilisateur:secret@machine:5432/base.")
        options = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        described |= {
            "NAME": unquote(parts.path.strip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(options.pop("host", "") or parts.hostname or "localhost"),
            "PORT": str(parts.port or options.pop("port", "5432")),
        }
        described["OPTIONS"] |= {key: unquote(value) for key, value in options.items()}
    return described


DATABASES = {"default": _database(get("VIRAGE_DATABASE_URL"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", "Français")]
TIME_ZONE = "Europe/Paris"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = house_settings.folder("static")
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
_HTTPS = house_settings.base_url().startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 60 * 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "virage.site.logs.Discreet", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": get("VIRAGE_LOG_LEVEL").upper()},
    # It says a second time, with the same trace, what the worker has just said.
    "loggers": {"procrastinate.utils": {"level": "CRITICAL"}},
}

VIRAGE_SANDBOX = sandbox()
VIRAGE_THEME = get("VIRAGE_THEME")
if VIRAGE_THEME not in THEMES:
    raise SettingError(f"VIRAGE_THEME vaut « {VIRAGE_THEME} » : écrire neutral ou dsfr.")
if VIRAGE_THEME == "dsfr":
    # Only the files of the design system: its templates and its marks of the State are not ours to show by default.
    STATICFILES_DIRS = [Path(import_module("dsfr").__file__ or "").parent / "static"]
