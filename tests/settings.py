"""Django's settings under test: the sandbox, in a home of this run alone, without the cost of real password hashing."""

import os
import tempfile

# One home for the whole run: the first process makes it, the xdist workers inherit its name.
_RUN = os.environ.get("VIRAGE_TEST_RUN") or tempfile.mkdtemp(prefix="virage-test-")
os.environ["VIRAGE_TEST_RUN"] = _RUN
os.environ["VIRAGE_HOME"] = os.path.join(_RUN, os.environ.get("PYTEST_XDIST_WORKER", "main"))
os.environ["VIRAGE_SANDBOX"] = "1"
os.environ.pop("VIRAGE_DATABASE_URL", None)
os.chmod(_RUN, 0o711)  # the database's own user passes through it

from virage.site.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
