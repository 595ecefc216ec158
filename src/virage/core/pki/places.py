"""Where secrets live on this machine."""

from pathlib import Path

from virage.core import settings


def keys_folder() -> Path:
    """`VIRAGE_HOME/keys`, made for its owner alone when it is missing."""
    folder = settings.home() / "keys"
    return folder if folder.is_dir() else settings.folder("keys")
