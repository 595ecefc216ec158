"""The ground floor: engines that know no national system.

Floors inside `core`, each importing only from those before it: `errors` `callers` `rooms` `settings`; `db`; `blobs` `pki`
`events` `audit`; `accounts` `access`; `fhir`; `web`; `forms` `cases` `deliberation` `indicators`.
"""
