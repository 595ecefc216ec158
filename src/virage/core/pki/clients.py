"""What a demonstration program proves itself with: a secret and a private key, drawn once, kept for whoever plays it."""

import json
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from joserfc.jwk import RSAKey

from virage.core.pki.keys import owner_only_lock, write_secret
from virage.core.pki.places import keys_folder


def client_secret_file(client_id: str) -> Path:
    """Where the sandbox keeps the secret of a demonstration program."""
    return keys_folder() / f"{client_id}.client-secret"


def client_key_file(client_id: str) -> Path:
    """Where the sandbox keeps the private key (JWK, RSA) by which a demonstration program signs its assertions."""
    return keys_folder() / f"{client_id}.client-key.json"


def client_credentials(client_id: str) -> tuple[str, dict[str, Any]]:
    """The secret of a demonstration program, and the public JWK set of its key: made on first use, the same afterwards.

    RSA, because most client libraries sign `private_key_jwt` with nothing else.
    """
    kept, key = client_secret_file(client_id), client_key_file(client_id)
    with owner_only_lock(kept):
        if not kept.exists():
            write_secret(kept, token_urlsafe(32).encode())
        if not key.exists():
            facts: Any = {"kid": f"{client_id}-1", "use": "sig"}
            write_secret(key, json.dumps(RSAKey.generate_key(2048, facts).as_dict(private=True)).encode())
    public = RSAKey.import_key(json.loads(key.read_bytes())).as_dict(private=False)
    return kept.read_text().strip(), {"keys": [public]}
