"""The page that a refusal becomes: what was refused, by which rule, and the way out."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from virage.core.errors import Unknown, VirageError, of_machine
from virage.core.web.navigation import Portal, opened_portals, portal_of

_TITLES = {
    400: "Nous n’avons pas compris la demande",
    401: "Identifiez-vous",
    403: "Accès refusé",
    404: "Page introuvable",
    405: "Action impossible ici",
    409: "L’action n’est plus possible",
    413: "Le fichier est trop volumineux",
    422: "La demande contient des erreurs",
    429: "Trop de tentatives",
    500: "Une erreur est survenue",
    503: "Service momentanément indisponible",
}


def refusal_page(request: HttpRequest, error: VirageError) -> HttpResponse:
    """Render an error as a page, or as a fragment for htmx, with its HTTP status."""
    template = "web/refusal_fragment.html" if request.headers.get("HX-Request") == "true" else "web/refusal.html"
    title = _TITLES.get(error.status, _TITLES[400] if error.status < 500 else _TITLES[500])
    context = {"title": title, "error": error, "status": error.status, "home": _home(request)}
    return render(request, template, context, status=error.status)


def _home(request: HttpRequest) -> Portal:
    """Where whoever was refused may start again: never the door that refused them, which would refuse again."""
    portal, opened, caller = portal_of(request.path), opened_portals(), getattr(request, "caller", None)
    if caller is not None and portal.kinds and caller.kind not in portal.kinds:
        portal = next((one for one in opened if caller.kind in one.kinds), portal_of("/"))
    return portal if portal in opened else portal_of("/")


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404 for an address that leads nowhere."""
    portal, opened = portal_of(request.path), opened_portals()
    if portal not in opened:
        text = f"L’espace « {portal.title} » n’est pas encore ouvert : il le sera avec ses premières pages."
        ways = [(f"Aller à l’espace « {one.title} »", one.prefix) for one in opened if one.prefix != "/"]
        return refusal_page(request, Unknown(text, code="WEB.DOOR_CLOSED", ways_out=ways))
    text = "Cette adresse ne mène à aucune page. Vérifiez-la, ou repartez de l’accueil."
    return refusal_page(request, Unknown(text, code="WEB.PAGE_UNKNOWN"))


def server_error(request: HttpRequest) -> HttpResponse:
    """500: ours to mend; nothing of what was sent is shown or kept. 503 when it is the machine: full disk, database away."""
    error = sys.exc_info()[1]  # Django calls this while it handles what no view caught
    told = of_machine(error) if error is not None else None
    if told is not None:
        return refusal_page(request, told)
    text = "L’erreur vient de nous et a été signalée. Rien n’a été enregistré : vous pouvez recommencer."
    return refusal_page(request, VirageError(text, code="WEB.INTERNAL", status=500, issue="exception"))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that was not issued by us, or that waited too long."""
    text = (
        "Le formulaire a expiré ou ne vient pas de ce site ; rien n’a été enregistré. "
        "Revenez à la page précédente, rechargez-la et envoyez de nouveau."
    )
    return refusal_page(request, VirageError(text, code="WEB.CSRF", status=403, issue="forbidden"))
