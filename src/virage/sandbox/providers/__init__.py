"""The sandbox's sign-ins for citizens (FranceConnect) and for agents (ProConnect): invented people, real protocol.

Basis: FranceConnect v2 and ProConnect as their documentation for service providers describes them (claims of the pivot
identity, signed userinfo, pseudonyms by service). PKCE is asked for here, as everywhere in the house. There is no proof of
identity: a page lets one choose who to be, which is why neither exists outside the sandbox.
"""
