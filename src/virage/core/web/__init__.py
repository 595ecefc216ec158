"""The pages' common look: layout, navigation by role, components, errors that help.

Templates are written once in the State's component names (`fr-btn`, `fr-table`, …); a theme dresses them. `neutral`, the
default, is a style sheet of ours without any State mark; `dsfr` loads the State's design system and is reserved to those
entitled to it (terms of use of the DSFR). Chosen by `VIRAGE_THEME`.
"""

from virage.core.web.fields import number
from virage.core.web.files import csv_answer, file_answer, showing_files
from virage.core.web.navigation import PORTALS, Portal, opened_portals, register_menu
from virage.core.web.refusals import refusal_page

__all__ = [
    "PORTALS",
    "Portal",
    "csv_answer",
    "file_answer",
    "number",
    "opened_portals",
    "refusal_page",
    "register_menu",
    "showing_files",
]
