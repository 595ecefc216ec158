"""Identité nationale de santé: who the patient is, with which certainty, under which matricule.

Authority: articles L. 1111-8-1 and R. 1111-8-1 and following of the public health code, RNIV v2.0, INSi service of the
CNAM. Left out: the Vitale card reader and the mass verification of INSi.
"""
