"""The register of the sandbox's certificates: issued, revoked, published; and whether one that is presented holds."""
