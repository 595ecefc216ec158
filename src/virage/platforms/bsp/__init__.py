"""Bouquet de services aux professionnels: one sign-in, one desk, from a patient's traits to her record.

Authority: roadmap « Accélérer le virage numérique », action 16; the doctrine's « bouquet de services ». First pages: find an
identity, open the shared record with its context, read, publish a file, break the glass. Leaves out for now: messaging,
prescriptions, agendas, and launching other software in context.
"""
