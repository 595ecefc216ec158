"""The demonstration program's secret and key, made once and kept under VIRAGE_HOME/keys, where the journey reads them."""

import json
import secrets
from typing import Any

from joserfc.jwk import ECKey

from virage.core.accounts.queries import KEY_SUFFIX, SECRET_SUFFIX
from virage.core.pki import keys_folder, owner_only_lock, write_secret


def of_client(client_id: str) -> tuple[str, dict[str, Any]]:
    """(client secret, public JWK set) of a program; the private key is in `CLIENT_ID.client-key.json`, a JWK."""
    secret_path = keys_folder() / f"{client_id}{SECRET_SUFFIX}"
    key_path = keys_folder() / f"{client_id}{KEY_SUFFIX}"
    with owner_only_lock(secret_path):
        if not secret_path.exists():
            write_secret(secret_path, secrets.token_urlsafe(32).encode())
        if not key_path.exists():
            facts: Any = {"kid": secrets.token_urlsafe(9), "use": "sig", "alg": "ES256"}
            key = ECKey.generate_key("P-256", facts)
            write_secret(key_path, json.dumps(key.as_dict(private=True)).encode())
    key = ECKey.import_key(json.loads(key_path.read_bytes()))
    return secret_path.read_text().strip(), {"keys": [key.as_dict(private=False)]}
