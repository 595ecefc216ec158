"""Espace numérique de santé, « Mon espace santé »: what a citizen sees and decides of her own health data.

Authority: L. 1111-13-1 and R. 1111-26 and following of the Public Health Code; L. 1111-19 (content, list of professionals,
traces). First pages: the shared record's documents, who looked and why, authorisations, opening and closing. Leaves out for
now: messaging, agenda, measures, the catalogue of services, profiles of children and delegates.
"""
