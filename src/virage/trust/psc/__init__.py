"""Pro Santé Connect: the national sign-in of health professionals, as an OpenID provider, with the e-CPS as means of proof.

Basis: article L. 1470-1 of the Public Health Code and its PGSSI-S framework of electronic identification (order of
28 March 2022), the order of 4 April 2022 on the e-CPS, OpenID Connect Core 1.0; names of endpoints and claims are those of
the national service. Leaves out, for now: CIBA, cards, token exchange for proxies, federation with hospitals' own providers.
The phone is a page that stands for the mobile application, and exists in the sandbox only.
"""
