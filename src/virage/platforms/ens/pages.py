"""The citizen's pages: parse, call, render."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from virage.core import web
from virage.core.accounts import door
from virage.core.errors import Malformed, Unknown
from virage.platforms.ens import actions, queries, rules
from virage.platforms.ens.forms import ClosingForm, DocumentFilter, PermissionForm, ProfessionalSearch
from virage.services import dmp
from virage.trust import annuaire, interop
from virage.trust import ins as identities

_PAGE = 30
_MOST = 1000
_SHOWN_NOTICES = 3


def _about(request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
    """What every page of the space shows: whose it is, and where the record stands."""
    by = request.caller
    return {
        "title": title,
        "identity": identities.of_patient(by.patient),
        "record": dmp.record_state(by.patient),
        **more,
    }


@require_GET
@door("citizen")
def home(request: HttpRequest) -> HttpResponse:
    """What is new, and the ways in."""
    by = request.caller
    unread = queries.notices(by.patient, unread=True, count=_SHOWN_NOTICES)
    context = _about(request, "Accueil", notices=unread)
    if len(unread) == _SHOWN_NOTICES:
        context["unread"] = queries.unread_count(by.patient)
    if rules.is_readable(context["record"].state):
        context["documents"] = [dmp.summary(one) for one in dmp.documents_for(by, by.patient, count=5).found]
        context["accesses"] = queries.accesses(by, others=True, count=5)
    return render(request, "ens/home.html", context)


@require_GET
@door("citizen")
def documents(request: HttpRequest) -> HttpResponse:
    """The documents of the record, newest first, filtered by the address."""
    by = request.caller
    form = DocumentFilter(request.GET or None)
    params = form.params() if form.is_valid() else []
    context = _about(request, "Mes documents", form=form)
    if rules.is_readable(context["record"].state):
        page = dmp.documents_for(
            by,
            by.patient,
            params,
            count=_PAGE,
            cursor=request.GET.get("suite") or None,
            archived=form.with_archived(),
            total=True,
        )
        query = {key: value for key, value in request.GET.items() if key != "suite"}
        context |= {
            "documents": [dmp.summary(resource) for resource in page.found],
            "total": page.total,
            "filters": urlencode(query),
            "api": "/dmp/fhir/DocumentReference?"
            + urlencode([("patient", f"Patient/{by.patient}"), ("status", "current"), *params], safe="/"),
        }
        if page.next:
            context["next_url"] = f"?{urlencode({**query, 'suite': page.next})}"
    return render(request, "ens/documents.html", context)


@require_GET
@door("citizen")
def documents_csv(request: HttpRequest) -> HttpResponse:
    """The same list, with the same filters, as a table to keep: the first thousand documents."""
    by = request.caller
    form = DocumentFilter(request.GET or None)
    params = form.params() if form.is_valid() else []
    found = dmp.documents_for(by, by.patient, params, count=_MOST, archived=form.with_archived()).found
    return web.csv_answer("documents", rules.DOCUMENT_COLUMNS, map(rules.document_row, map(dmp.summary, found)))


@require_GET
@door("citizen")
def document(request: HttpRequest, ident: str) -> HttpResponse:
    """One document, readable, with what can be done and who has seen it."""
    by = request.caller
    version, _ = dmp.visible(by, ident, "dmp.consult")
    content, mime = dmp.content(ident)
    seen = [line for line in queries.accesses(by, document=ident, count=200) if not (line.is_own and line.is_reading)]
    context = _about(
        request,
        "Document",
        document=dmp.summary(version.resource),
        rendered=interop.render(content, pieces=reverse("ens:download", args=[ident]))
        if interop.is_cda_type(mime)
        else "",
        mime=mime,
        is_text=mime.startswith("text/plain"),
        text=content.decode("utf-8", "replace") if mime.startswith("text/plain") else "",
        accesses=seen[:20],
    )
    return web.showing_files(render(request, "ens/document.html", context))


@require_GET
@door("citizen")
def download(request: HttpRequest, ident: str) -> HttpResponse:
    """The very bytes of a document, or a heavy file that it carries (`piece`)."""
    content, mime = dmp.retrieve(request.caller, ident)
    number = request.GET.get("piece", "")
    if number.isascii() and number.isdecimal() and len(number) < 5 and interop.is_cda_type(mime):
        held = interop.piece(content, int(number))
        if held is None:
            raise Unknown("Ce document n’a pas cette pièce.", code="ENS.NO_PIECE")
        return web.file_answer(*held, f"document-{ident}-{number}", shown=True)
    return web.file_answer(content, mime, f"document-{ident}", shown=bool(request.GET.get("voir")))


@require_POST
@door("citizen")
def visibility(request: HttpRequest, ident: str) -> HttpResponse:
    """Mask a document, or show it again."""
    by = request.caller
    if request.POST.get("action") == "masquer":
        dmp.mask(by=by, document=ident)
        messages.success(request, "Le document est masqué : seul son auteur le voit encore parmi les professionnels.")
    elif request.POST.get("action") == "demasquer":
        dmp.unmask(by=by, document=ident)
        messages.success(request, "Le document est de nouveau visible par les professionnels autorisés.")
    else:
        raise Malformed("Choisissez de masquer ou de démasquer le document.", code="ENS.VISIBILITY")
    return redirect("ens:document", ident=ident)


@require_GET
@door("citizen")
def accesses(request: HttpRequest) -> HttpResponse:
    """Who looked at what, when, in which mode and why."""
    by = request.caller
    only_others = request.GET.get("qui", "autres") != "tous"
    found = queries.accesses(by, after=request.GET.get("apres", "")[:40], others=only_others, count=_PAGE + 1)
    shown = found[:_PAGE]
    context = _about(
        request,
        "Qui a regardé",
        accesses=shown,
        only_others=only_others,
        filters="qui=autres" if only_others else "",
    )
    if len(found) > _PAGE:
        query = {"apres": shown[-1].id, **({} if only_others else {"qui": "tous"})}
        context["next_url"] = f"?{urlencode(query)}"
    return render(request, "ens/accesses.html", context)


@require_GET
@door("citizen")
def accesses_csv(request: HttpRequest) -> HttpResponse:
    """The same list, with the same filter, as a table to keep: the last thousand lines."""
    only_others = request.GET.get("qui") == "autres"
    header = ("date", "qui", "rôle", "rpps", "action", "document", "mode", "motif", "refus")
    rows = [
        (
            line.recorded,
            line.who,
            line.role,
            line.rpps,
            line.action,
            line.title,
            line.mode,
            line.reason,
            line.refused,
        )
        for line in queries.accesses(request.caller, others=only_others, count=_MOST)
    ]
    return web.csv_answer("acces", header, rows)


@require_GET
@door("citizen")
def professionals(request: HttpRequest) -> HttpResponse:
    """Who may look, who may not, and a search of the directory to add one."""
    by = request.caller
    form = ProfessionalSearch(request.GET or None)
    found = (
        annuaire.search_professionals(form.cleaned_data["nom"], count=20) if form.is_bound and form.is_valid() else []
    )
    context = _about(
        request,
        "Mes professionnels",
        permissions=dmp.permissions(by.patient),
        form=form,
        found=found,
        searched=form.is_bound,
    )
    return render(request, "ens/professionals.html", context)


@require_POST
@door("citizen")
def permission(request: HttpRequest) -> HttpResponse:
    """Authorise, block, or forget a professional; name the treating doctor; refuse emergency accesses."""
    by = request.caller
    form = PermissionForm(request.POST)
    if not form.is_valid():
        raise Malformed("Choisissez un professionnel et une décision dans la liste.", code="ENS.PERMISSION")
    decision, professional = form.cleaned_data["decision"], form.cleaned_data["professionnel"]
    name = queries.professional_name(professional) if professional else ""
    if decision in ("refuser-urgence", "accepter-urgence"):
        dmp.refuse_emergency(by=by, patient=by.patient, refused=decision == "refuser-urgence")
        messages.success(request, "Votre choix pour les accès en urgence est enregistré.")
        return redirect("ens:professionals")
    if not professional:
        raise Malformed("Choisissez un professionnel dans la liste.", code="ENS.PERMISSION")
    if decision == "autoriser":
        dmp.authorise(by=by, patient=by.patient, professional=professional, name=name)
        messages.success(request, f"{name} peut maintenant consulter votre dossier.")
    elif decision == "bloquer":
        dmp.block(by=by, patient=by.patient, professional=professional, name=name)
        messages.success(request, f"{name} n’a plus aucun accès à votre dossier, même en urgence.")
    elif decision == "retirer":
        dmp.unblock(by=by, patient=by.patient, professional=professional)
        messages.success(request, f"La décision concernant {name} est retirée.")
    else:
        dmp.declare_treating_doctor(by=by, patient=by.patient, professional=professional, name=name)
        messages.success(request, f"{name} est votre médecin traitant.")
    return redirect("ens:professionals")


@require_http_methods(["GET", "POST"])
@door("citizen")
def record(request: HttpRequest) -> HttpResponse:
    """Open, refuse, close or reopen the space; each asks once more before it is done."""
    by = request.caller
    form = ClosingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        decision = form.cleaned_data["decision"]
        if decision == "fermer":
            dmp.close(by=by, patient=by.patient, reason=form.cleaned_data["motif"])
        else:
            verbs = {"ouvrir": dmp.open_record, "refuser": dmp.oppose, "rouvrir": dmp.reopen}
            verbs[decision](by=by, patient=by.patient)
        messages.success(request, "Votre décision est enregistrée.")
        return redirect("ens:record")
    context = _about(request, "Mon dossier", form=form)
    known = context["record"]
    context["choices"] = rules.choices(
        known.state, known.notified_on, known.closed_at.date() if known.closed_at else None
    )
    return render(request, "ens/record.html", context)


@require_POST
@door("citizen")
def acknowledge(request: HttpRequest, notice: int) -> HttpResponse:
    """The notice was read."""
    actions.mark_read(by=request.caller, notice=notice)
    return redirect(reverse("ens:home"))


@require_GET
@door("citizen")
def notices(request: HttpRequest) -> HttpResponse:
    """Every notice, read or not, newest first."""
    text = request.GET.get("page", "1")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 1
    start = max(number - 1, 0) * _PAGE
    found = queries.notices(request.caller.patient, start=start, count=_PAGE + 1)
    context = _about(request, "Mes avis", notices=found[:_PAGE], unread=queries.unread_count(request.caller.patient))
    if number > 1:
        context["previous_url"] = f"?page={number - 1}"
    if len(found) > _PAGE:
        context["next_url"] = f"?page={number + 1}"
    return render(request, "ens/notices.html", context)


@require_POST
@door("citizen")
def acknowledge_all(request: HttpRequest) -> HttpResponse:
    """All notices but the urgent ones were read."""
    actions.mark_all_read(by=request.caller)
    messages.success(request, "Vos avis sont marqués comme lus, sauf les accès en urgence, qui se lisent un par un.")
    return redirect("ens:notices")
