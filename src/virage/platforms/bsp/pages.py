"""The professional's pages: parse, call, render. Traits and matricules travel in forms, never in an address."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from virage.core import web
from virage.core.accounts import door
from virage.core.callers import Caller
from virage.core.errors import Forbidden, Invalid, Malformed, Unknown, VirageError
from virage.platforms.bsp import actions, drafting, queries, rules
from virage.platforms.bsp.forms import DocumentFilter, GlassForm, InsForm, PublishForm, TraitsForm
from virage.services import dmp
from virage.trust import ins, interop

_PAGE = 30
_PATIENTS = 50
_MOST = 1000
_GLASS = "bsp_glass"


def _caller(request: HttpRequest, patient: str) -> Caller:
    """The professional, in the emergency mode where they broke the glass for this patient within the hour."""
    by: Caller = request.caller
    reason = rules.glass_is_broken(request.session.get(_GLASS, {}), patient, datetime.now(UTC))
    return by.with_purpose("bris_de_glace", reason) if reason else by


def _identity(patient: str) -> ins.Identity:
    identity = ins.of_patient(patient)
    if identity is None:
        raise Unknown("Cette personne n’est pas connue du référentiel d’identités.", code="BSP.NO_PATIENT")
    return identity


@require_GET
@door("professional")
def home(request: HttpRequest) -> HttpResponse:
    """The patients who opened their record to this professional."""
    patients = queries.patients(request.caller, _PATIENTS + 1)
    context = {
        "title": "Mes patients",
        "patients": patients[:_PATIENTS],
        "more": len(patients) > _PATIENTS,
        "alerts": queries.alerts(request.caller.subject),
    }
    return render(request, "bsp/home.html", context)


@require_GET
@door("professional")
def home_csv(request: HttpRequest) -> HttpResponse:
    """The same list, whole, as a table to keep."""
    found = queries.patients(request.caller, _MOST)
    return web.csv_answer("patients", rules.PATIENT_COLUMNS, map(rules.patient_row, found))


@require_POST
@door("professional")
def acknowledge(request: HttpRequest, alert: int) -> HttpResponse:
    """The alert was read."""
    actions.mark_read(by=request.caller, alert=alert)
    return redirect("bsp:home")


@require_GET
@door("professional")
def search(request: HttpRequest) -> HttpResponse:
    """Find an identity: by traits, or by matricule."""
    context = {"title": "Chercher une identité", "traits": TraitsForm(), "ins": InsForm()}
    return render(request, "bsp/search.html", context)


@require_POST
@door("professional")
def by_traits(request: HttpRequest) -> HttpResponse:
    """INSi by traits; the answer says what to do next."""
    form = TraitsForm(request.POST)
    context: dict[str, Any] = {"title": "Chercher une identité", "traits": form, "ins": InsForm()}
    if not form.is_valid():
        return render(request, "bsp/search.html", context, status=422)
    data = form.cleaned_data
    given = tuple(data["prenom"].split())
    asked = ins.Traits(
        family=data["nom"],
        given=given[0],
        sex=data["sexe"],
        birth_date=data["naissance"],
        birth_place=data["lieu"].upper(),
        given_list=data["prenom"],
    )
    try:
        answer = ins.recherche(by=request.caller, traits=asked, given_names=given)
    except Invalid as refusal:
        return render(request, "bsp/search.html", {**context, "refusal": refusal}, status=422)
    if answer.person is not None and ins.of_patient(answer.person.patient) is not None:
        return redirect("bsp:record", patient=answer.person.patient)
    return render(request, "bsp/search.html", {**context, "answer": answer})


@require_POST
@door("professional")
def by_ins(request: HttpRequest) -> HttpResponse:
    """An identity by its matricule."""
    form = InsForm(request.POST)
    context: dict[str, Any] = {"title": "Chercher une identité", "traits": TraitsForm(), "ins": form}
    if form.is_valid():
        try:
            identity = ins.find_by_value(by=request.caller, value=form.cleaned_data["ins"])
        except Invalid as refusal:
            form.add_error("ins", refusal.text)
        else:
            if identity is not None:
                return redirect("bsp:record", patient=identity.patient)
            form.add_error("ins", "Aucune identité d’ici ne porte ce matricule.")
    return render(request, "bsp/search.html", context, status=422)


@require_GET
@door("professional")
def record(request: HttpRequest, patient: str) -> HttpResponse:
    """The record with its context: documents where the caller may, the ways in where not."""
    identity = _identity(patient)
    by = _caller(request, patient)
    context: dict[str, Any] = {"title": "Dossier du patient", "identity": identity, "patient": patient, "by": by}
    form = DocumentFilter(request.GET or None)
    params = form.params()
    try:
        page = dmp.documents_for(by, patient, params, count=_PAGE, cursor=request.GET.get("suite") or None, total=True)
    except Forbidden as refusal:
        context |= {"title": "Dossier fermé pour vous", "refusal": refusal, "glass": GlassForm()}
        context["may_ask"] = refusal.code == "DMP.NOT_AUTHORISED"
        context["who_can"] = rules.who_can_change(refusal.code)
        return render(request, "bsp/refused.html", context, status=403)
    query = {key: value for key, value in request.GET.items() if key != "suite"}
    context |= {
        "form": form,
        "documents": [dmp.summary(resource) for resource in page.found],
        "total": page.total,
        "filters": urlencode(query),
        "api": urlencode([("patient", f"Patient/{patient}"), ("status", "current"), *params], safe="/"),
        "next_url": f"?{urlencode({**query, 'suite': page.next})}" if page.next else "",
    }
    return render(request, "bsp/record.html", context)


@require_GET
@door("professional")
def record_csv(request: HttpRequest, patient: str) -> HttpResponse:
    """The same list, with the same filters, as a table to keep: the first thousand documents."""
    form = DocumentFilter(request.GET or None)
    found = dmp.documents_for(_caller(request, patient), patient, form.params(), count=_MOST).found
    return web.csv_answer("documents", rules.DOCUMENT_COLUMNS, map(rules.document_row, map(dmp.summary, found)))


@require_POST
@door("professional")
def consent(request: HttpRequest, patient: str) -> HttpResponse:
    """The patient is here and agrees: the professional records it for themselves."""
    by: Caller = request.caller
    _identity(patient)
    if request.POST.get("accord") != "oui":
        ways = [("Revenir au dossier du patient", reverse("bsp:record", args=[patient]))]
        raise Malformed("Cochez que le patient est informé et d’accord.", code="BSP.CONSENT", ways_out=ways)
    dmp.authorise(by=by, patient=patient, professional=by.subject, name=by.name)
    messages.success(request, "L’accord du patient est enregistré ; il le voit dans son espace et peut le retirer.")
    return redirect("bsp:record", patient=patient)


@require_POST
@door("professional")
def glass(request: HttpRequest, patient: str) -> HttpResponse:
    """Break the glass: for this patient, for an hour, with a reason that the patient reads."""
    identity = _identity(patient)
    form = GlassForm(request.POST)
    if not form.is_valid():
        context = {
            "title": "Accès en urgence",
            "identity": identity,
            "patient": patient,
            "glass": form,
            "may_ask": True,
        }
        return render(request, "bsp/refused.html", context, status=422)
    broken = dict(request.session.get(_GLASS, {}))
    broken[patient] = {"reason": form.cleaned_data["motif"], "at": datetime.now(UTC).isoformat()}
    request.session[_GLASS] = broken
    return redirect("bsp:record", patient=patient)


@require_http_methods(["GET", "POST"])
@door("professional")
def publish(request: HttpRequest, patient: str) -> HttpResponse:
    """Publish a file, first page: the file and a short form. What was typed or chosen is kept until it is sent."""
    identity = _identity(patient)
    draft = drafting.draft_of(request.session, patient)
    fault: VirageError | None = None
    if request.method == "POST":
        if "fichier" in request.FILES:
            try:
                draft = drafting.keep_file(request.session, patient, request.FILES["fichier"])
            except VirageError as refusal:
                fault = refusal
        form = PublishForm(request.POST, request.FILES, kept="digest" in draft)
        if fault is not None:
            form.add_error("fichier", fault.text)
        draft = drafting.keep_fields(request.session, patient, form.data)
        if form.is_valid():
            drafting.keep_date(request.session, patient, form.cleaned_data.get("date_acte", ""))
            return redirect("bsp:check", patient=patient)
    else:
        form = PublishForm(initial=draft, kept="digest" in draft)
    context = {"title": "Publier un document", "identity": identity, "patient": patient, "form": form, "draft": draft}
    return render(request, "bsp/publish.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@door("professional")
def check(request: HttpRequest, patient: str) -> HttpResponse:
    """Publish a file, second page: what will be sent, then its receipt."""
    by = _caller(request, patient)
    identity = _identity(patient)
    draft = drafting.draft_of(request.session, patient)
    if not drafting.is_complete(draft):
        return redirect("bsp:publish", patient=patient)
    context: dict[str, Any] = {
        "title": "Vérifier avant de publier",
        "identity": identity,
        "patient": patient,
        "draft": draft,
        "type": interop.document_types()[draft["type"]].title,
        "by": by,
    }
    if request.method == "POST":
        try:
            ident = drafting.send(draft, by=by, identity=identity)
        except VirageError as refusal:
            return render(request, "bsp/check.html", {**context, "refusal": refusal}, status=refusal.status)
        drafting.forget(request.session, patient)
        receipt = f"Le document est publié sous le numéro {ident}. Le patient en est averti dans son espace."
        messages.success(request, receipt)
        return redirect("bsp:document", patient=patient, ident=ident)
    return render(request, "bsp/check.html", context)


@require_GET
@door("professional")
def document(request: HttpRequest, patient: str, ident: str) -> HttpResponse:
    """One document, readable."""
    by = _caller(request, patient)
    version, owner = dmp.visible(by, ident, "dmp.consult")
    if owner != patient:
        raise Unknown("Ce document n’est pas dans ce dossier.", code="BSP.NO_DOCUMENT")
    content, mime = dmp.content(ident)
    context = {
        "title": "Document",
        "identity": _identity(patient),
        "patient": patient,
        "document": dmp.summary(version.resource),
        "rendered": interop.render(content, pieces=reverse("bsp:download", args=[patient, ident]))
        if interop.is_cda_type(mime)
        else "",
        "text": content.decode("utf-8", "replace") if mime.startswith("text/plain") else "",
        "mime": mime,
        "is_author": dmp.is_author(by, version.resource),
    }
    return web.showing_files(render(request, "bsp/document.html", context))


@require_GET
@door("professional")
def download(request: HttpRequest, patient: str, ident: str) -> HttpResponse:
    """The very bytes of a document, or a heavy file that it carries (`piece`)."""
    content, mime = dmp.retrieve(_caller(request, patient), ident)
    number = request.GET.get("piece", "")
    if number.isascii() and number.isdecimal() and len(number) < 5 and interop.is_cda_type(mime):
        held = interop.piece(content, int(number))
        if held is None:
            raise Unknown("Ce document n’a pas cette pièce.", code="BSP.NO_PIECE")
        return web.file_answer(*held, f"document-{ident}-{number}", shown=True)
    return web.file_answer(content, mime, f"document-{ident}", shown=bool(request.GET.get("voir")))


@require_POST
@door("professional")
def withdraw(request: HttpRequest, patient: str, ident: str) -> HttpResponse:
    """Withdraw a document that one published by mistake."""
    dmp.withdraw(by=_caller(request, patient), document=ident)
    messages.success(request, "Le document est retiré : plus personne ne le lit.")
    return redirect(reverse("bsp:record", args=[patient]))
