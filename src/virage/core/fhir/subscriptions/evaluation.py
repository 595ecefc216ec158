"""Who is concerned by a change: asked of the search engine, with the rights of the subscriber, after the commit."""

from virage.core import access, accounts, events
from virage.core.access import Filter, Nothing
from virage.core.fhir.service import SERVICES, FhirService
from virage.core.fhir.store import places
from virage.core.fhir.subscriptions import table
from virage.core.fhir.subscriptions.table import Subscribed


def changed(event: events.Event) -> None:
    """Hear `fhir.changed`: note the change for each subscription that it meets. A deletion meets no criteria."""
    from virage.core.fhir.subscriptions.tasks import deliver

    said = event.payload
    service = service_of(said["space"])
    if service is None or said["deleted"]:
        return
    type, id = places.TYPES[said["type"]], said["id"]
    for one in table.looking_at(said["space"], said["type"]):
        if concerns(one, service, type, id) and table.note(one, f"{type}/{id}", said["version"]):
            deliver.defer(space=one.space, id=one.id)


def concerns(one: Subscribed, service: FhirService, type: str, id: str) -> bool:
    """Whether a resource, as it is now, meets the criteria and may be seen by the subscriber."""
    rule = rule_of(one, service, type)
    if isinstance(rule, Nothing):
        return False
    params = [*((name, value) for name, value in one.declared.params), ("_id", id)]
    return bool(service.store.search(type, params, access=rule, count=1).matches)


def rule_of(one: Subscribed, service: FhirService, type: str) -> Filter:
    """What the subscriber may see of a type, as its account stands now."""
    owner = accounts.standing(one.owner)
    if owner is None:
        return Nothing("Le compte qui a demandé cet abonnement n'est plus ouvert.")
    return access.across(service.space, owner, "search-type", type)


def service_of(space: int) -> FhirService | None:
    """The base that has this number."""
    return next((each for each in SERVICES.values() if each.code == space), None)
