"""Certificates and keys: named signing keys with rotation, and the sandbox's certificate authority.

The authority is shaped like the IGC-Santé (a root, one intermediate per use: professional cards, organisations, servers) so
that what is written against it works with the real one. Basis: RFC 5280, RFC 7517, PGSSI-S.
Leaves out: the real authority, qualified signatures, hardware modules.
"""

from virage.core.pki.clients import client_credentials, client_key_file, client_secret_file
from virage.core.pki.keys import KeyRing, keys, owner_only_lock, secret, write_secret
from virage.core.pki.places import keys_folder

__all__ = [
    "KeyRing",
    "client_credentials",
    "client_key_file",
    "client_secret_file",
    "keys",
    "keys_folder",
    "owner_only_lock",
    "secret",
    "write_secret",
]
