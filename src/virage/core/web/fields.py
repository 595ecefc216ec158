"""Fields that forms of several rooms ask alike."""

from typing import Any

from django import forms


def number(label: str, lowest: int, highest: int, *, asks: str, **options: Any) -> forms.IntegerField:
    """A whole number typed as text, as for a day or a year: no arrows that hide its end, and what is wrong stays to be read.

    `asks` is the sentence that says what to write, whatever is wrong; `options` are those of a Django field.
    """
    return forms.IntegerField(
        label=label,
        min_value=lowest,
        max_value=highest,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "maxlength": len(str(highest))}),
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), asks),
        **options,
    )
