"""Every expression that the specification itself carries compiles."""

from virage.core.fhir import definitions, fhirpath


def test_all_search_parameters_compile():
    expressions = {each.expression for each in definitions.all_search_parameters() if each.expression}
    assert len(expressions) > 1300
    for expression in expressions:
        fhirpath.compile(expression)


def test_all_invariants_compile():
    found = set()
    for name in definitions.types():
        type_ = definitions.element(name)
        found.update(each.expression for each in type_.invariants)
        found.update(rule.expression for child in type_.children.values() for rule in child.invariants)
    assert len(found) > 100
    for expression in found:
        fhirpath.compile(expression)
