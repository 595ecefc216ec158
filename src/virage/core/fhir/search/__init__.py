"""Search: FHIR parameters in, one or two SQL statements out. How: docs/understand/search.md."""
