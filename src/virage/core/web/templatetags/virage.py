"""Small pieces of pages that every room uses."""

from datetime import date, datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

_KINDS = {"info", "success", "warning", "error", "new", ""}


@register.filter
def jour(value: date | datetime | str | None) -> str:
    """A day as people write it: « 22 novembre 2026 ». Takes a date, a datetime or an ISO string; partial dates stay so."""
    if not value:
        return ""
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            return value
        value = parsed
    if isinstance(value, datetime) and timezone.is_aware(value):
        value = timezone.localtime(value)
    text = formats.date_format(value, "j F Y")
    return text.replace("1 ", "1er ", 1) if value.day == 1 else text


@register.filter
def moment(value: datetime | str | None) -> str:
    """A day and time: « 22 novembre 2026 à 14 h 05 »."""
    if not value:
        return ""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return str(value)
    if timezone.is_aware(value):
        value = timezone.localtime(value)
    return f"{jour(value)} à {value:%H}\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}{value:%M}"


@register.filter
def nombre(value: Any) -> str:
    """A number with the spaces and comma of French: « 2 237 941 »."""
    return formats.number_format(value, use_l10n=True, force_grouping=True) if value is not None else ""


@register.simple_tag
def etiquette(text: str, kind: str = "") -> SafeString:
    """A state as a tag with a word; `kind` is `info`, `success`, `warning`, `error`, `new` or empty."""
    if kind not in _KINDS:
        raise template.TemplateSyntaxError(f"unknown kind of tag: {kind}")
    classes = f"fr-badge fr-badge--{kind} fr-badge--no-icon" if kind else "fr-badge"
    return format_html('<span class="{}">{}</span>', classes, text)


@register.inclusion_tag("web/field.html")
def champ(field: BoundField) -> dict[str, Any]:
    """One field of a form: label above, help before, error beside, tied together for assistive technologies."""
    widget = field.field.widget
    kind = getattr(widget, "input_type", "textarea" if "textarea" in type(widget).__name__.lower() else "select")
    described = [f"{field.auto_id}-aide"] if field.help_text else []
    if field.errors:
        described.append(f"{field.auto_id}-erreur")
    base = {"checkbox": "", "radio": "", "select": "fr-select", "file": "fr-upload"}.get(kind, "fr-input")
    attrs: dict[str, Any] = {"class": base} if base else {}
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if field.errors:
        attrs["aria-invalid"] = "true"
    return {"field": field, "kind": kind, "widget": field.as_widget(attrs=attrs), "required": field.field.required}
