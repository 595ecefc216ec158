"""Django's PostgreSQL backend, which finds (and if need be starts) the embedded server when it connects."""
