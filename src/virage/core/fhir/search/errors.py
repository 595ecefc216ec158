"""Refusals of a search, each with what to do."""

from virage.core.errors import Malformed


class BadSearch(Malformed):
    """A parameter of the search cannot be understood; `path` is the parameter's name."""

    code = "FHIR.SEARCH_VALUE"
    issue = "value"


def bad_value(name: str, text: str) -> BadSearch:
    return BadSearch(f"Paramètre « {name} » : {text}", path=name)


def bad_modifier(name: str, modifier: str, allowed: str) -> BadSearch:
    return BadSearch(
        f"Paramètre « {name} » : le modificateur « :{modifier} » n'est pas admis ici. Admis : {allowed}.",
        code="FHIR.SEARCH_MODIFIER",
        path=name,
    )


def bad_sort(text: str) -> BadSearch:
    return BadSearch(text, code="FHIR.SEARCH_SORT", path="_sort")


def contained_unserved() -> BadSearch:
    return BadSearch(
        "« _contained » : les ressources contenues se cherchent par leur type, comme « Medication?_contained=true », et nulle part ailleurs.",
        code="FHIR.SEARCH_UNSERVED",
        issue="not-supported",
        path="_contained",
    )


class TooDear(BadSearch):
    """The search would cost too much."""

    code = "FHIR.SEARCH_COST"
    issue = "too-costly"


class NotYetIndexed(BadSearch):
    """A newer program searches by what the stored resources are still being indexed for."""

    code = "FHIR.SEARCH_INDEXING"
    status = 409
    issue = "transient"


def await_revision(name: str, revision: int = 2) -> None:
    """Words, positions and base units came with revision 2 of the index, identifiers of references by their value or system alone
    with 3, versions of canonical references with 4,
    contained resources with 5; how names sound with 7; with 6 came texts without
    their punctuation, found as they are written until then. Raises NotYetIndexed until all that is stored has them."""
    from virage.core.fhir.index import revised

    if not revised(revision):
        raise NotYetIndexed(
            f"« {name} » : les ressources déjà là sont en cours d'indexation pour cette recherche ; réessayez plus tard.",
            path=name,
        )
