"""The protocol engine of an OpenID provider, put on by `trust.psc` and by the sandbox's own providers.

It speaks OAuth 2.0 and OpenID Connect: descriptions, requests, grants, tokens, their end. How a person proves who they are,
and what is said of them, belongs to the room that puts it on. Basis: RFC 6749, 7009, 7523, 7636, 7662, 9068, 9207, OpenID
Connect Core, Discovery and RP-Initiated Logout 1.0. Leaves out: implicit and hybrid flows, request objects, dynamic clients.
"""
