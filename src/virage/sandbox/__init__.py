"""The synthetic country: citizens, families, professionals, structures and documents, all invented from a seed.

It exists only with VIRAGE_SANDBOX=1. Nobody here is real: test matricules (OID 1.2.250.1.213.1.4.10), test RPPS (999…), FINESS
numbers of a department that does not exist (99), telephone numbers that the regulator keeps for fiction.
"""
