"""Units of measure by UCUM: reading a code, and its exact size in base units.

Facts from the UCUM specification (Regenstrief Institute, version 2.1), converted by a factor, or by a factor
and an offset for temperatures; the other scales are known, and compare with themselves alone. Substance amounts (`mol`), arbitrary units
(`[IU]`…) and equivalents keep a dimension of their own.
"""

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

Dimensions = tuple[tuple[str, int], ...]

_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1, "d": -1, "c": -2, "m": -3,
    "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_BASE = frozenset(
    [
        "m",
        "s",
        "g",
        "rad",
        "K",
        "C",
        "cd",
        "mol",
        "[iU]",
        "[arb'U]",
        "[USP'U]",
        "[CFU]",
        "[PFU]",
        "[FFU]",
        "[CCID_50]",
        "[TCID_50]",
        "[EID_50]",
        "[ELU]",
        "[EU]",
        "[HPF]",
        "[LPF]",
        "[GPL'U]",
        "[MPL'U]",
        "[APL'U]",
        "[beth'U]",
        "[anti'Xa'U]",
        "[todd'U]",
        "[dye'U]",
        "[smgy'U]",
        "[bdsk'U]",
        "[ka'U]",
        "[knk'U]",
        "[mclg'U]",
        "[tb'U]",
        "[p'diop]",
        "[D'ag'U]",
        "[PNU]",
        "[Amb'a'1'U]",
        "[MET]",
        "[Lf]",
        "[AU]",
        "[BAU]",
        "[gdr'U]",
        # Scales that are not linear: known, and not converted.
        "[pH]",
        "[hnsf'U]",
        "[hp'_X]",
        "[hp'_C]",
        "[hp'_M]",
        "[hp'_Q]",
        "[hp_X]",
        "[hp_C]",
        "[hp_M]",
        "[hp_Q]",
        "[kp_X]",
        "[kp_C]",
        "[kp_M]",
        "[kp_Q]",
        "[NTU]",
        "[FNU]",
        "[IR]",
        "[m/s2/Hz^0.5]",
        "%[slope]",
        "[degRe]",
        "B[SPL]",
        "B[V]",
        "B[mV]",
        "B[uV]",
        "B[10.nV]",
        "B[W]",
        "B[kW]",
        "bit",
        "B",
        "eq",
        "osm",
    ]
)
# Code: (factor, definition, takes prefixes).
_UNITS: dict[str, tuple[str, str, bool]] = {
    "%": ("1/100", "1", False), "[ppth]": ("1/1000", "1", False), "[ppm]": ("1/1000000", "1", False),
    "[ppb]": ("1/1000000000", "1", False), "[pptr]": ("1/1000000000000", "1", False),
    "min": ("60", "s", False), "h": ("3600", "s", False), "d": ("86400", "s", False), "wk": ("7", "d", False),
    "a_t": ("365.24219", "d", False), "a_j": ("365.25", "d", False), "a_g": ("365.2425", "d", False),
    "a": ("365.25", "d", False), "mo_j": ("30.4375", "d", False), "mo_g": ("30.436875", "d", False),
    "mo": ("30.4375", "d", False), "mo_s": ("29.53059", "d", False),
    "l": ("1", "dm3", True), "L": ("1", "dm3", True), "ar": ("100", "m2", True), "t": ("1000", "kg", True),
    "st": ("1", "m3", True), "u": ("1.66053906660e-24", "g", True), "sr": ("1", "rad2", True),
    "deg": ("0.017453292519943295769", "rad", False), "'": ("1/60", "deg", False), "''": ("1/60", "'", False),
    "Hz": ("1", "s-1", True), "N": ("1", "kg.m/s2", True), "Pa": ("1", "N/m2", True), "J": ("1", "N.m", True),
    "W": ("1", "J/s", True), "A": ("1", "C/s", True), "V": ("1", "J/C", True), "F": ("1", "C/V", True),
    "Ohm": ("1", "V/A", True), "S": ("1", "Ohm-1", True), "Wb": ("1", "V.s", True), "T": ("1", "Wb/m2", True),
    "H": ("1", "Wb/A", True), "lm": ("1", "cd.sr", True), "lx": ("1", "lm/m2", True), "Bq": ("1", "s-1", True),
    "Gy": ("1", "J/kg", True), "Sv": ("1", "J/kg", True), "kat": ("1", "mol/s", True), "U": ("1", "umol/min", True),
    "bar": ("100000", "Pa", True), "atm": ("101325", "Pa", False), "dyn": ("1", "g.cm/s2", True),
    "erg": ("1", "dyn.cm", True), "Ci": ("37000000000", "Bq", True), "R": ("0.000258", "C/kg", True),
    "RAD": ("1", "cGy", True), "REM": ("1", "cSv", True), "P": ("1", "dyn.s/cm2", True), "St": ("1", "cm2/s", True),
    "G": ("0.0001", "T", True), "m[H2O]": ("9806.65", "Pa", True), "m[Hg]": ("133322.0", "Pa", True),
    "cal": ("4.184", "J", True), "cal_th": ("4.184", "J", True), "cal_IT": ("4.1868", "J", True),
    "[Cal]": ("1", "kcal_th", False), "eV": ("1.602176634e-19", "J", True), "g%": ("1", "g/dl", True),
    "[diop]": ("1", "m-1", False), "[in_i]": ("2.54", "cm", False), "[ft_i]": ("12", "[in_i]", False),
    "[yd_i]": ("3", "[ft_i]", False), "[mi_i]": ("5280", "[ft_i]", False), "[nmi_i]": ("1852", "m", False),
    "[sin_i]": ("1", "[in_i]2", False), "[sft_i]": ("1", "[ft_i]2", False), "[cin_i]": ("1", "[in_i]3", False),
    "[cft_i]": ("1", "[ft_i]3", False), "[in_us]": ("100/3937", "m", False), "[Ch]": ("1/3", "mm", False),
    "[gr]": ("64.79891", "mg", False), "[lb_av]": ("7000", "[gr]", False), "[oz_av]": ("1/16", "[lb_av]", False),
    "[dr_av]": ("1/16", "[oz_av]", False), "[stone_av]": ("14", "[lb_av]", False), "[ston_av]": ("2000", "[lb_av]", False),
    "[oz_tr]": ("480", "[gr]", False), "[lb_tr]": ("5760", "[gr]", False), "[sc_ap]": ("20", "[gr]", False),
    "[dr_ap]": ("60", "[gr]", False), "[oz_ap]": ("480", "[gr]", False), "[lb_ap]": ("5760", "[gr]", False),
    "[car_m]": ("0.2", "g", False), "[lbf_av]": ("4.4482216152605", "N", False), "[psi]": ("1", "[lbf_av]/[sin_i]", False),
    "[gal_us]": ("231", "[cin_i]", False), "[qt_us]": ("1/4", "[gal_us]", False), "[pt_us]": ("1/2", "[qt_us]", False),
    "[gil_us]": ("1/4", "[pt_us]", False), "[foz_us]": ("1/4", "[gil_us]", False), "[fdr_us]": ("1/8", "[foz_us]", False),
    "[min_us]": ("1/60", "[fdr_us]", False), "[tbs_us]": ("1/2", "[foz_us]", False), "[tsp_us]": ("1/3", "[tbs_us]", False),
    "[cup_us]": ("16", "[tbs_us]", False), "[foz_m]": ("30", "mL", False), "[tbs_m]": ("15", "mL", False),
    "[tsp_m]": ("5", "mL", False), "[cup_m]": ("240", "mL", False), "[foz_br]": ("28.4130625", "mL", False),
    "[drp]": ("1/20", "mL", False), "[degR]": ("5/9", "K", False), "[Btu]": ("1055.05585262", "J", False),
    "[HP]": ("745.69987158227022", "W", False), "[IU]": ("1", "[iU]", True), "[pi]": ("3.1415926535897932385", "1", False),
    "[c]": ("299792458", "m/s", True), "[g]": ("9.80665", "m/s2", True), "[PRU]": ("1", "mm[Hg].s/mL", False),
    "[wood'U]": ("1", "mm[Hg].min/L", False), "By": ("8", "bit", True), "Np": ("1", "1", True),
    # Less met in care, but UCUM has them, and R4 lists them among its common units.
    "gon": ("0.9", "deg", False), "circ": ("6.2831853071795864769", "rad", False),
    "sph": ("12.566370614359172954", "sr", False), "mho": ("1", "S", True), "gf": ("9.80665", "g.m/s2", True),
    "Gal": ("1", "cm/s2", True), "Ky": ("1", "cm-1", True), "Bi": ("10", "A", True), "Oe": ("79.577471545947667884", "A/m", True),
    "Mx": ("0.00000001", "Wb", True), "Gb": ("0.79577471545947667884", "A", True), "sb": ("1", "cd/cm2", True),
    "Lmb": ("0.31830988618379067154", "cd/cm2", True), "ph": ("0.0001", "lx", True), "att": ("98066.5", "Pa", False),
    "b": ("100", "fm2", True), "Ao": ("0.1", "nm", False), "AU": ("149597.870691", "Mm", False), "pc": ("30856780000000000", "m", True),
    "[ly]": ("31557600", "s.[c]", True), "bit_s": ("1", "1", False), "Bd": ("1", "s-1", True), "tex": ("1", "g/km", True),
    "[den]": ("1/9", "g/km", False), "[S]": ("1/10000000000000", "s", False), "[h]": ("6.62607015e-34", "J.s", True),
    "[k]": ("1.380649e-23", "J/K", True), "[eps_0]": ("8.8541878128e-12", "F/m", True), "[mu_0]": ("0.0000012566370614359172954", "N/A2", True),
    "[e]": ("1.602176634e-19", "C", True), "[m_e]": ("9.1093837015e-28", "g", True), "[m_p]": ("1.67262192369e-24", "g", True),
    "[G]": ("6.67430e-11", "m3.kg-1.s-2", True), "[fth_i]": ("6", "[ft_i]", False), "[kn_i]": ("1", "[nmi_i]/h", False),
    "[syd_i]": ("1", "[yd_i]2", False), "[cyd_i]": ("1", "[yd_i]3", False), "[bf_i]": ("144", "[in_i]3", False),
    "[cr_i]": ("128", "[ft_i]3", False), "[mil_i]": ("0.001", "[in_i]", False), "[cml_i]": ("0.00000078539816339744830962", "[in_i]2", False),
    "[hd_i]": ("4", "[in_i]", False), "[mesh_i]": ("1", "[in_i]-1", False), "[ft_us]": ("1200/3937", "m", False),
    "[yd_us]": ("3", "[ft_us]", False), "[rd_us]": ("16.5", "[ft_us]", False), "[ch_us]": ("4", "[rd_us]", False),
    "[lk_us]": ("1/100", "[ch_us]", False), "[rch_us]": ("100", "[ft_us]", False), "[rlk_us]": ("1/100", "[rch_us]", False),
    "[fth_us]": ("6", "[ft_us]", False), "[fur_us]": ("40", "[rd_us]", False), "[mi_us]": ("8", "[fur_us]", False),
    "[acr_us]": ("160", "[rd_us]2", False), "[srd_us]": ("1", "[rd_us]2", False), "[smi_us]": ("1", "[mi_us]2", False),
    "[sct]": ("1", "[mi_us]2", False), "[twp]": ("36", "[sct]", False), "[mil_us]": ("0.001", "[in_us]", False),
    "[in_br]": ("2.539998", "cm", False), "[ft_br]": ("12", "[in_br]", False), "[yd_br]": ("3", "[ft_br]", False),
    "[pc_br]": ("2.5", "[ft_br]", False), "[fth_br]": ("6", "[ft_br]", False), "[rd_br]": ("16.5", "[ft_br]", False),
    "[ch_br]": ("4", "[rd_br]", False), "[lk_br]": ("1/100", "[ch_br]", False), "[mi_br]": ("5280", "[ft_br]", False),
    "[nmi_br]": ("6080", "[ft_br]", False), "[kn_br]": ("1", "[nmi_br]/h", False), "[acr_br]": ("4840", "[yd_br]2", False),
    "[bbl_us]": ("42", "[gal_us]", False), "[crd_us]": ("128", "[ft_i]3", False), "[bu_us]": ("2150.42", "[in_i]3", False),
    "[gal_wi]": ("1/8", "[bu_us]", False), "[pk_us]": ("1/4", "[bu_us]", False), "[dqt_us]": ("1/8", "[pk_us]", False),
    "[dpt_us]": ("1/2", "[dqt_us]", False), "[gal_br]": ("4.54609", "l", False), "[pk_br]": ("2", "[gal_br]", False),
    "[bu_br]": ("4", "[pk_br]", False), "[qt_br]": ("1/4", "[gal_br]", False), "[pt_br]": ("1/2", "[qt_br]", False),
    "[gil_br]": ("1/4", "[pt_br]", False), "[fdr_br]": ("1/8", "[foz_br]", False), "[min_br]": ("1/60", "[fdr_br]", False),
    "[scwt_av]": ("100", "[lb_av]", False), "[lcwt_av]": ("112", "[lb_av]", False), "[lton_av]": ("20", "[lcwt_av]", False),
    "[pwt_tr]": ("24", "[gr]", False), "[oz_m]": ("28", "g", False), "[lne]": ("1/12", "[in_i]", False),
    "[pnt]": ("1/6", "[lne]", False), "[pca]": ("12", "[pnt]", False), "[pnt_pr]": ("0.013837", "[in_i]", False),
    "[pca_pr]": ("12", "[pnt_pr]", False), "[pied]": ("32.48", "cm", False), "[pouce]": ("1/12", "[pied]", False),
    "[ligne]": ("1/12", "[pouce]", False), "[didot]": ("1/6", "[ligne]", False), "[cicero]": ("12", "[didot]", False),
    "[car_Au]": ("1/24", "1", False), "[smoot]": ("67", "[in_i]", False), "[in_i'H2O]": ("1", "m[H2O].[in_i]/m", False),
    "[in_i'Hg]": ("1", "m[Hg].[in_i]/m", False), "cal_[15]": ("4.18580", "J", True), "cal_[20]": ("4.18190", "J", True),
    "cal_m": ("4.19002", "J", True), "[Btu_39]": ("1.05967", "kJ", False), "[Btu_59]": ("1.05480", "kJ", False),
    "[Btu_60]": ("1.05468", "kJ", False), "[Btu_m]": ("1.05587", "kJ", False), "[Btu_IT]": ("1055.05585262", "J", False),
    "[Btu_th]": ("1.054350", "kJ", False), "[acid]": ("1", "1", False),
}  # fmt: skip
_METRIC_BASE = frozenset({"m", "s", "g", "rad", "K", "C", "cd", "mol", "[iU]", "bit", "eq", "osm"}) | {
    name for name in _BASE if name[0] == "B"
}
# Temperatures: size of a degree in K, and the zero of the scale in K.
_OFFSETS = {"Cel": (Fraction(1), Fraction(27315, 100)), "[degF]": (Fraction(5, 9), Fraction(45967, 180))}

_ATOM = re.compile(
    r"((?:\[[^\[\]]*\]|[^\s.()/{}\[\]0-9+\-])(?:\[[^\[\]]*\]|[^\s.()/{}\[\]+\-0-9]|_[0-9]+)*)([+-]?[0-9]{1,2})?"
)
_TEN = re.compile(r"10[*^]([+-]?[0-9]{1,2})?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_NOTE = re.compile(r"\{[^{}]*\}")
MAX_CODE = 100


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its size in base units, its dimensions, and for a temperature scale the place of its zero."""

    factor: Fraction
    dimensions: Dimensions
    zero: Fraction = Fraction(0)


@lru_cache(2048)
def unit(code: str) -> Unit | None:
    """The unit with this UCUM code (case-sensitive), or None when it is not one that we know."""
    if code in _OFFSETS:
        factor, zero = _OFFSETS[code]
        return Unit(factor, (("K", 1),), zero)
    if not 0 < len(code) <= MAX_CODE:
        return None
    reader = _Reader(code)
    try:
        factor, powers = reader.term(0)
    except (ValueError, ZeroDivisionError):
        return None
    if reader.place != len(code):
        return None
    return Unit(factor, tuple(sorted((base, power) for base, power in powers.items() if power)))


class _Reader:
    def __init__(self, code: str) -> None:
        self.code = code
        self.place = 0

    def term(self, depth: int) -> tuple[Fraction, dict[str, int]]:
        if depth > 8:
            raise ValueError(self.code)
        factor, sign = Fraction(1), 1
        powers: dict[str, int] = {}
        if self.code.startswith("/", self.place):
            self.place += 1
            sign = -1
        while True:
            size, parts = self.component(depth)
            factor *= size**sign
            for base, power in parts.items():
                powers[base] = powers.get(base, 0) + sign * power
            following = self.code[self.place : self.place + 1]
            if following not in (".", "/") or not following:
                return factor, powers
            sign = -1 if following == "/" else 1
            self.place += 1

    def component(self, depth: int) -> tuple[Fraction, dict[str, int]]:
        code = self.code
        if note := _NOTE.match(code, self.place):
            self.place = note.end()
            return Fraction(1), {}
        if code.startswith("(", self.place):
            self.place += 1
            found = self.term(depth + 1)
            if not code.startswith(")", self.place):
                raise ValueError(code)
            self.place += 1
            self._note()
            return found
        if ten := _TEN.match(code, self.place):
            self.place = ten.end()
            self._note()
            return Fraction(10) ** int(ten.group(1) or 1), {}
        if number := _NUMBER.match(code, self.place):
            self.place = number.end()
            self._note()
            return Fraction(int(number.group())), {}
        atom = _ATOM.match(code, self.place)
        if atom is None:
            raise ValueError(code)
        self.place = atom.end()
        self._note()
        size, parts = _atom(atom.group(1))
        power = int(atom.group(2) or 1)
        return size**power, {base: each * power for base, each in parts.items()}

    def _note(self) -> None:
        if note := _NOTE.match(self.code, self.place):
            self.place = note.end()


@lru_cache(512)
def _atom(name: str) -> tuple[Fraction, dict[str, int]]:
    found = _plain(name)
    if found is not None:
        return found
    for length in (1, 2):
        prefix, rest = name[:length], name[length:]
        if rest in _METRIC_BASE or (rest in _UNITS and _UNITS[rest][2]):
            scale = Fraction(10) ** _PREFIXES[prefix] if prefix in _PREFIXES else Fraction(_BINARY.get(prefix, 0))
            base = _plain(rest)
            if scale and base is not None:
                return scale * base[0], base[1]
    raise ValueError(name)


def _plain(name: str) -> tuple[Fraction, dict[str, int]] | None:
    if name in _BASE:
        return Fraction(1), {name: 1}
    if name in _UNITS:
        factor, definition, _ = _UNITS[name]
        base = unit(definition)
        if base is not None:
            return Fraction(factor) * base.factor, dict(base.dimensions)
    return None


def comparable(left: str, right: str) -> bool:
    """Whether two units measure the same kind of thing."""
    a, b = unit(left), unit(right)
    return a is not None and b is not None and a.dimensions == b.dimensions


def convert(value: Decimal, source: str, target: str) -> Fraction | None:
    """A value in another unit, exactly; None when the units are unknown or do not compare."""
    a, b = unit(source), unit(target)
    if a is None or b is None or a.dimensions != b.dimensions:
        return None
    return (Fraction(value) * a.factor + a.zero - b.zero) / b.factor


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """A value in base units, rounded to 20 digits, with their code (`m.s-2`, `1` for none); None for an unknown unit.

    Two quantities that are equal by UCUM give the same pair: what a search by quantity compares.
    """
    found = unit(code)
    if found is None:
        return None
    exact = Fraction(value) * found.factor + found.zero
    return decimal(exact, 20), code_of(found.dimensions)


def code_of(dimensions: Dimensions) -> str:
    """The UCUM code of a product of base units."""
    return ".".join(base if power == 1 else f"{base}{power}" for base, power in dimensions) or "1"


def decimal(value: Fraction, digits: int = 28) -> Decimal:
    """The nearest Decimal of that many significant digits."""
    context = Context(prec=digits)
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def product(left: str, right: str, *, divide: bool = False) -> tuple[Fraction, str] | None:
    """The unit of a product or quotient, in base units, with the factor to apply; None for an unknown unit."""
    a, b = unit(left), unit(right)
    if a is None or b is None or a.zero or b.zero:
        return None
    powers = dict(a.dimensions)
    for base, power in b.dimensions:
        powers[base] = powers.get(base, 0) + (-power if divide else power)
    factor = a.factor / b.factor if divide else a.factor * b.factor
    return factor, code_of(tuple(sorted((base, power) for base, power in powers.items() if power)))
