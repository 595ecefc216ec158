"""Refusals of the protocol: a page where nothing safe to return to is known, else a redirection or JSON."""

import unicodedata
from typing import Any

from virage.core.errors import VirageError


class OAuthError(VirageError):
    """A refusal with its name in the protocol (`error`); `text` stays French, for the person who reads the log or the page."""

    code = "ACCOUNTS.OAUTH"
    status = 400

    def __init__(self, error: str, text: str, *, status: int = 400) -> None:
        super().__init__(text, code=f"OAUTH.{error.upper()}", status=status)
        self.error = error

    def body(self) -> dict[str, Any]:
        """The error as RFC 6749 (5.2) writes it: `error_description` has no accent, the protocol forbids them."""
        plain = unicodedata.normalize("NFKD", self.text.replace("’", "'").replace("«", "'").replace("»", "'"))
        kept = [character for character in plain.replace('"', "'") if " " <= character <= "~" and character != "\\"]
        return {"error": self.error, "error_description": "".join(kept)}


class UnsafeReturn(VirageError):
    """The client or its return address is not known: the browser is not sent anywhere."""

    code = "OAUTH.RETURN_ADDRESS"
    status = 400
    issue = "security"
