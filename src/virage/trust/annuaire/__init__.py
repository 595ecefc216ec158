"""Annuaire Santé: professionals and structures of the country, under their national numbers.

Authority: RPPS (decree 2009-134), FINESS (decree 2009), Annuaire Santé implementation guide 1.2.0. Left out: the
restricted-access data of the directory.
"""
