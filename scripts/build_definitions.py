"""Make the compact file of FHIR R4 facts that `virage.core.fhir.definitions` reads.

Usage: python scripts/build_definitions.py SOURCE_FOLDER [OUTPUT_FILE]

SOURCE_FOLDER holds the HL7 FHIR 4.0.1 definition bundles (`profiles-types.json`, `profiles-resources.json`,
`profiles-others.json`, `extension-definitions.json`, `search-parameters.json`, `valuesets.json`, `v3-codesystems.json`,
`v2-tables.json`), plain or compressed as `.json.zst`, and the package of the standard extensions
(`hl7.fhir.uv.extensions.r4-*.tgz`), which took over those of R4 and is where they are kept up. Prose (descriptions, comments, requirements, mappings, narratives)
is left out; what stays are facts: paths, types, cardinalities, bindings, invariants, search expressions, codes.

The file: one line of text that says where it comes from, one with the length of the index, then the index and deflate
streams that share a preset dictionary, so that each type is read alone, when it is first asked for.
"""

import collections
import json
import sys
import tarfile
import zlib
from collections.abc import Set
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent.parent / "src/virage/core/fhir/definitions/data/r4.facts"
HEADER = (
    "# Facts of HL7 FHIR R4 (4.0.1, 2019-10-30), from the definition bundles of the specification, and of its "
    "extensions (hl7.fhir.uv.extensions.r4 5.2.0); licence CC0-1.0; made by scripts/build_definitions.py, without prose\n"
)
HL7 = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = HL7 + "structuredefinition-fhir-type"
REGEX = HL7 + "regex"
MAX_VALUE_SET = HL7 + "elementdefinition-maxValueSet"

# An erratum: R4 binds the components of every vital sign to the units of the vital signs themselves, as « required »; the
# next version says « extensible », since a component may be anything (a flow of oxygen in L/min).
VITAL_COMPONENTS = ("Observation.component.value[x]", "http://hl7.org/fhir/ValueSet/ucum-vitals-common")

Json = dict


def load(folder: Path, name: str) -> list[Json]:
    """The resources of one bundle."""
    plain = folder / f"{name}.json"
    if plain.exists():
        data = plain.read_bytes()
    else:
        import zstandard

        with (folder / f"{name}.json.zst").open("rb") as stream:
            data = zstandard.ZstdDecompressor().stream_reader(stream).read()
    return [entry["resource"] for entry in json.loads(data)["entry"]]


def load_package(folder: Path) -> list[Json]:
    """The conformance resources of the package of extensions."""
    found = []
    for path in sorted(folder.glob("hl7.fhir.uv.extensions.r4-*.tgz"))[-1:]:
        with tarfile.open(path) as archive:
            for member in sorted(archive, key=lambda each: each.name):
                parts = member.name.split("/")
                if len(parts) == 2 and parts[1].startswith(("StructureDefinition-", "ValueSet-", "CodeSystem-")):
                    found.append(json.load(archive.extractfile(member)))
    return found


def keep(source: Json, *keys: str) -> Json:
    return {key: source[key] for key in keys if key in source}


def fact_type(source: Json, path: str, kind: str) -> Json:
    """One allowed type, its FHIRPath name replaced by the FHIR one."""
    kept = keep(source, "code", "profile", "targetProfile", "aggregation", "versioning")
    for extension in source.get("extension", ()):
        if extension["url"] == FHIR_TYPE:
            kept["code"] = extension.get("valueUrl") or extension["valueUri"]
        elif extension["url"] == REGEX:
            kept["regex"] = extension["valueString"]
    if kept["code"].startswith("http://hl7.org/fhirpath/System."):
        kept["code"] = kept["code"].rpartition(".")[2].lower()
    if kind == "resource" and path.count(".") == 1 and path.endswith(".id"):
        kept["code"] = "id"
    return kept


def fact_element(source: Json, definition: Json, types: Set[str]) -> Json:
    """One element without its prose, and without what it repeats of its type."""
    path = source["path"]
    root = "." not in path
    kept = keep(
        source, "id", "path", "sliceName", "min", "max", "contentReference", "isModifier", "isSummary", "maxLength",
        "representation", "mustSupport",
    )  # fmt: skip
    if kept.get("id") == path:
        del kept["id"]
    for flag in ("isModifier", "isSummary", "mustSupport"):
        if kept.get(flag) is False:
            del kept[flag]
    if "slicing" in source:
        kept["slicing"] = keep(source["slicing"], "discriminator", "ordered", "rules")
    if "type" in source:
        kept["type"] = [fact_type(each, path, definition["kind"]) for each in source["type"]]
    for key, value in source.items():
        if key.startswith(("fixed", "pattern", "minValue", "maxValue")):
            kept[key] = value
    if "binding" in source:
        kept["binding"] = keep(source["binding"], "strength", "valueSet")
        if (path, kept["binding"].get("valueSet", "").partition("|")[0]) == VITAL_COMPONENTS:
            kept["binding"]["strength"] = "extensible"
        for extension in source["binding"].get("extension", ()):
            if extension["url"] == MAX_VALUE_SET:
                kept["binding"]["max"] = extension.get("valueCanonical") or extension.get("valueUri")
    is_profile = definition.get("derivation") == "constraint"
    constraints = [
        keep(each, "key", "severity", "expression")
        for each in source.get("constraint", ())
        # An invariant of a type holds wherever the type is used: it is written down once, with the type. One of the profile from
        # which a profile derives has no other place.
        if each["key"] != "ele-1"
        and (
            each.get("source") in (None, definition["url"])
            or (root and definition["kind"] == "resource")
            or (is_profile and each["source"].removeprefix(HL7) not in types)
        )
    ]
    if constraints:
        kept["constraint"] = constraints
    return kept


def fact_structure(source: Json, types: Set[str]) -> Json:
    kept = keep(
        source, "url", "version", "name", "kind", "abstract", "type", "baseDefinition", "derivation", "context",
        "contextInvariant",
    )  # fmt: skip
    kept["resourceType"] = "StructureDefinition"
    kept["snapshot"] = {"element": [fact_element(each, source, types) for each in source["snapshot"]["element"]]}
    return kept


def fact_concept(source: Json) -> Json:
    kept = keep(source, "code", "display")
    properties = [
        each
        for each in source.get("property", ())
        if each["code"] in ("subsumedBy", "parent", "notSelectable", "status")
    ]
    if properties:
        kept["property"] = properties
    if "concept" in source:
        kept["concept"] = [fact_concept(each) for each in source["concept"]]
    return kept


def fact_code_system(source: Json) -> Json:
    kept = keep(
        source, "resourceType", "url", "version", "name", "caseSensitive", "content", "valueSet", "hierarchyMeaning"
    )
    kept["concept"] = [fact_concept(each) for each in source.get("concept", ())]
    return kept


def fact_include(source: Json) -> Json:
    kept = keep(source, "system", "version", "filter", "valueSet")
    if "concept" in source:
        kept["concept"] = [keep(each, "code", "display") for each in source["concept"]]
    return kept


def fact_value_set(source: Json) -> Json:
    kept = keep(source, "resourceType", "url", "version", "name")
    compose = source.get("compose", {})
    kept["compose"] = {
        side: [fact_include(each) for each in compose[side]] for side in ("include", "exclude") if side in compose
    }
    if not compose and "expansion" in source:
        kept["expansion"] = {
            "contains": [keep(each, "system", "code", "display") for each in source["expansion"]["contains"]]
        }
    return kept


def fact_search(source: Json) -> Json:
    kept = keep(source, "url", "name", "code", "base", "type", "expression", "target", "multipleOr", "comparator")
    if "component" in source:
        kept["component"] = [keep(each, "definition", "expression") for each in source["component"]]
    return kept


def fact_operation(source: Json) -> Json:
    kept = keep(source, "url", "name", "kind", "affectsState", "code", "resource", "system", "type", "instance")
    kept["parameter"] = [
        keep(each, "name", "use", "min", "max", "type", "searchType", "targetProfile")
        for each in source.get("parameter", ())
    ]
    return kept


def gather(folder: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Every chunk by name, and the kind of each type."""
    chunks: dict[str, object] = {}
    kinds: dict[str, str] = {}
    resources = load(folder, "profiles-types") + load(folder, "profiles-resources")
    types = {
        each["type"]
        for each in resources
        if each["resourceType"] == "StructureDefinition" and each.get("derivation") != "constraint"
    }
    for source in resources:
        # The bundles may carry types of a later version (SubscriptionStatus of R4B): they are not R4.
        if source["resourceType"] != "StructureDefinition" or source.get("fhirVersion", "4.0.1") != "4.0.1":
            continue
        if source.get("derivation") == "constraint":
            chunks["profile/" + source["url"]] = fact_structure(source, types)
        else:
            kinds[source["type"]] = source["kind"] if not source["abstract"] else "abstract-" + source["kind"]
            chunks["type/" + source["type"]] = fact_structure(source, types)
    for name in ("profiles-others", "extension-definitions"):
        for source in load(folder, name):
            if source["resourceType"] == "StructureDefinition":
                chunks["profile/" + source["url"]] = fact_structure(source, types)
    chunks["operations"] = [fact_operation(each) for each in resources if each["resourceType"] == "OperationDefinition"]
    chunks["compartments"] = {
        each["code"]: {line["code"]: line["param"] for line in each["resource"] if line.get("param")}
        for each in resources
        if each["resourceType"] == "CompartmentDefinition"
    }
    chunks["search"] = [fact_search(each) for each in load(folder, "search-parameters")]
    for name in ("v2-tables", "v3-codesystems", "valuesets"):
        for source in load(folder, name):
            if source["resourceType"] == "CodeSystem":
                chunks["codesystem/" + source["url"]] = fact_code_system(source)
            elif source["resourceType"] == "ValueSet":
                chunks["valueset/" + source["url"]] = fact_value_set(source)
    for source in load_package(folder):
        if source["resourceType"] == "StructureDefinition":
            chunks["profile/" + source["url"]] = fact_structure(source, types)
        elif source["resourceType"] == "ValueSet":
            chunks.setdefault("valueset/" + source["url"], fact_value_set(source))
        else:
            chunks.setdefault("codesystem/" + source["url"], fact_code_system(source))
    return chunks, kinds


def preset(texts: list[bytes]) -> bytes:
    """The pieces of JSON that come back most often, the most frequent last, for deflate to point at."""
    counts: collections.Counter[bytes] = collections.Counter()
    for text in texts:
        counts.update(piece + b"}" for piece in set(text.split(b"}")) if 12 <= len(piece) <= 200)
    best = sorted((piece for piece, count in counts.items() if count > 4), key=lambda piece: counts[piece] * len(piece))
    return b"".join(best)[-32000:]


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2:
        print("usage: build_definitions.py SOURCE_FOLDER [OUTPUT_FILE]", file=sys.stderr)
        return 2
    chunks, kinds = gather(Path(arguments[0]))
    output = Path(arguments[1]) if len(arguments) == 2 else OUTPUT
    texts = {
        name: json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode()
        for name, chunk in sorted(chunks.items())
    }
    dictionary = preset(list(texts.values()))
    body = bytearray(zlib.compress(dictionary, 9))
    index: dict[str, object] = {"dictionary": [0, len(body)], "kinds": dict(sorted(kinds.items()))}
    places: dict[str, list[int]] = {}
    for name, text in texts.items():
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
        packed = packer.compress(text) + packer.flush()
        places[name] = [len(body), len(packed)]
        body += packed
    index["chunks"] = places
    line = zlib.compress(json.dumps(index, separators=(",", ":")).encode(), 9)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(HEADER.encode() + b"%d\n" % len(line) + line + bytes(body))
    print(
        f"{len(places)} chunks, {sum(map(len, texts.values()))} bytes of facts, {output.stat().st_size} bytes written"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
