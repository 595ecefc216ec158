"""What FranceConnect and ProConnect say, scope by scope. Pure functions."""

from collections.abc import Iterable, Mapping

PIVOT = ("given_name", "given_name_array", "family_name", "birthdate", "gender", "birthplace", "birthcountry")
_OF_SCOPE: Mapping[str, tuple[str, ...]] = {
    "identite_pivot": PIVOT,
    "profile": ("given_name", "given_name_array", "family_name", "birthdate", "gender", "preferred_username"),
    "birth": ("birthplace", "birthcountry"),
    "given_name": ("given_name", "given_name_array"),
}
FRANCE = "99100"


def names_of(scopes: Iterable[str]) -> frozenset[str]:
    """The claims that scopes ask for: an alias stands for several, any other scope for the claim of its name."""
    return frozenset(name for scope in scopes for name in _OF_SCOPE.get(scope, (scope,)))


def pivot_identity(
    *, given_names: str, family_name: str, birth_date: str, gender: str, birth_place: str, birth_country: str
) -> dict[str, object]:
    """The identity that FranceConnect vouches for. The birth place is empty for those born abroad (`99…`)."""
    abroad = birth_place.startswith("99")
    return {
        "given_name": given_names,
        "given_name_array": given_names.split(),
        "family_name": family_name,
        "birthdate": birth_date,
        "gender": gender,
        "birthplace": "" if abroad else birth_place,
        "birthcountry": birth_country or (birth_place if abroad else FRANCE),
    }
