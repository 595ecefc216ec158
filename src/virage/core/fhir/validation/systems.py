"""Code systems known by the form of their codes: what has not the form is no code of theirs; what has it may not be one.

Authority: LOINC Users' Guide (check digit), SNOMED CT Release File Specifications (SCTID: partition, Verhoeff digit), ISO 3166,
ISO 4217, BCP 13, BCP 47, M49.
"""

import functools
import re
from collections.abc import Callable

from virage.core.fhir import definitions

_ALPHA_2 = "http://hl7.org/fhir/ValueSet/iso3166-1-2"
_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP "
    "LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN "
    "PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS "
    "TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD "
    "XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG ZWL"
)
_CURRENCIES = frozenset(_CODES.split())
_LOINC = re.compile(r"([0-9]{1,7})-([0-9])|L[A-Z][0-9]{1,9}-[0-9]|MTHU[0-9]{6}")
_SCTID = re.compile(r"[0-9]{6,18}")
_EXPRESSION = re.compile(r"(?:===|<<<|\()?\s*[0-9]{6,18}[\s|+:({,=].*", re.DOTALL)


def _shape(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda code: compiled.fullmatch(code) is not None


def _luhn(digits: str) -> bool:
    """Whether the last digit checks the others, modulo 10."""
    total = 0
    for rank, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if rank % 2 else 1)
        total += number if number < 10 else number - 9
    return total % 10 == 0


def loinc(code: str) -> bool:
    """A number and its check digit; or a part, an answer, a list, a group."""
    match = _LOINC.fullmatch(code)
    return match is not None and (match[1] is None or _luhn(match[1] + match[2]))


# The dihedral group of order 10, and the permutation of Verhoeff.
_TIMES = tuple(
    tuple(
        ((row + col) % 5 if col < 5 else (row + col - 5) % 5 + 5)
        if row < 5
        else ((row - 5 - col) % 5 + 5 if col < 5 else (row - col) % 5)
        for col in range(10)
    )
    for row in range(10)
)
_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


@functools.cache
def _turned(rank: int) -> tuple[int, ...]:
    found = tuple(range(10))
    for _ in range(rank):
        found = tuple(_TURN[each] for each in found)
    return found


def _verhoeff(digits: str) -> bool:
    check = 0
    for rank, digit in enumerate(reversed(digits)):
        check = _TIMES[check][_turned(rank % 8)[int(digit)]]
    return check == 0


def snomed(code: str) -> bool:
    """The identifier of a concept, or an expression that begins with one."""
    if _SCTID.fullmatch(code):
        return code[-3:-1] in ("00", "10") and code[0] != "0" and _verhoeff(code)
    return _EXPRESSION.fullmatch(code) is not None


def country(code: str) -> bool:
    """Two letters that R4 lists, three letters, or three digits."""
    if len(code) == 2:
        listed = definitions.plain_codes(_ALPHA_2)
        return listed is None or code in listed
    return re.fullmatch(r"[A-Z]{3}|[0-9]{3}", code) is not None


FORMS: dict[str, Callable[[str], bool]] = {
    "http://loinc.org": loinc,
    "http://snomed.info/sct": snomed,
    "urn:iso:std:iso:3166": country,
    "urn:iso:std:iso:3166:-2": _shape(r"[A-Z]{2}-[A-Z0-9]{1,3}"),
    "http://unstats.un.org/unsd/methods/m49/m49.htm": _shape(r"[0-9]{3}"),
    "urn:iso:std:iso:4217": _CURRENCIES.__contains__,
    "urn:ietf:bcp:13": _shape(r"[^\s/]+/[^\s/].*|xml|json|ttl"),
    # A language of two or three letters, or what was registered before; then script, region, variants.
    "urn:ietf:bcp:47": _shape(r"(?:[A-Za-z]{2,3}|[A-Za-z]{4}|[ixIX])(?:-[A-Za-z0-9]{1,8})*"),
}
