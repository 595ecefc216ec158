"""`virage accounts` and `virage token`."""

import json
import sys
from argparse import ArgumentParser, Namespace

from virage.core.commands import Command, UsageError
from virage.core.errors import Forbidden, Invalid, Unknown

_TOKEN_LIFE = 3600  # seconds: long enough to try things by hand


def _accounts_options(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="une liste JSON")


def _accounts(options: Namespace) -> int:
    from virage.core.accounts import queries

    cards = queries.listed()
    if options.json:
        sys.stdout.write(json.dumps(cards, ensure_ascii=False, indent=1) + "\n")
        return 0
    if not cards:
        sys.stdout.write("Aucun compte de démonstration : « virage sandbox populate » les crée.\n")
    for card in cards:
        ids = "  ".join(f"{name} {card[name]}" for name in ("rpps", "ins", "finess", "client_id") if name in card)
        about = f"{card.get('name', '')}, {card['role']}" if card.get("role") else card.get("name", "")
        sys.stdout.write(f"{card['login']:<14} {card['kind']:<13} {about:<48} {ids}\n")
    return 0


def _token_options(parser: ArgumentParser) -> None:
    parser.add_argument("--as", dest="login", required=True, metavar="LOGIN", help="le compte (« virage accounts »)")
    parser.add_argument("--purpose", default="normal", help="normal, bris_de_glace ou centre_15")
    parser.add_argument("--reason", default="", help="le motif, que le patient lira")
    parser.add_argument("--scope", default="", help="portées demandées, séparées par une espace")


def _token(options: Namespace) -> int:
    from virage.core.accounts import actions
    from virage.core.callers import system

    try:
        token = actions.issue_sandbox_token(
            by=system("token"),
            login=options.login,
            purpose=options.purpose,
            reason=options.reason,
            scope=options.scope,
            lifetime=_TOKEN_LIFE,
        )
    except (Forbidden, Invalid, Unknown) as refusal:
        raise UsageError(refusal.text) from None
    sys.stdout.write(token + "\n")
    return 0


COMMANDS = (
    Command("accounts", "Liste les comptes de démonstration.", _accounts, _accounts_options),
    Command("token", "Imprime un jeton d'accès (bac à sable seulement).", _token, _token_options),
)
