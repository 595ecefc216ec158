"""The conformance resources that validation knows: those of R4, and those loaded from packages or given one by one.

Several versions stand side by side. A canonical with a version (`url|1.0`) gives that one; without, the latest loaded.
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from virage.core.errors import Malformed
from virage.core.fhir import definitions, json

Resource = Mapping[str, Any]

KEPT = frozenset(
    {
        "StructureDefinition",
        "ValueSet",
        "CodeSystem",
        "Questionnaire",
        "SearchParameter",
        "ConceptMap",
        "Measure",
        "Library",
    }
)
MAX_PACKAGE = 500_000_000  # bytes once unpacked
MAX_FILES = 100_000
_NUMBER = re.compile(r"\d+")


class BadPackage(Malformed):
    """The package cannot be read; nothing of it was kept."""

    code = "FHIR.PACKAGE"


def split(canonical: str) -> tuple[str, str]:
    """URL and version of a canonical; the fragment is left out."""
    url, _, version = canonical.partition("|")
    return url.partition("#")[0], version


def age(version: str) -> tuple[Any, ...]:
    """Sorts versions: numbers by value, and a pre-release (`1.0.0-ballot`) before its release."""
    main, dash, _ = version.partition("-")
    return (tuple(int(each) for each in _NUMBER.findall(main)), not dash, version)


class Registry:
    """Conformance resources by type, URL and version, over those of R4.

    `above` is a registry asked for what this one does not have, such as one of packages shared by many.
    """

    def __init__(self, resources: Iterable[Resource] = (), *, above: "Registry | None" = None) -> None:
        self._above = above
        self._known: dict[tuple[str, str], dict[str, Resource]] = {}
        self._by_id: dict[tuple[str, str], Resource] = {}
        self.cache: dict[Any, Any] = {}
        for each in resources:
            self.add(each)

    def add(self, resource: Resource) -> None:
        """Know a conformance resource from now on; one with the same URL and version replaces the former."""
        kind = resource.get("resourceType")
        if not isinstance(kind, str):
            return
        if isinstance(resource.get("id"), str):
            self._by_id[(kind, resource["id"])] = resource
        url = resource.get("url")
        if isinstance(url, str):
            self._known.setdefault((kind, url), {})[str(resource.get("version", ""))] = resource
        self.cache.clear()

    def remove(self, kind: str, url: str, version: str | None = None) -> None:
        """Forget a resource, or all its versions."""
        if version is None:
            self._known.pop((kind, url), None)
        else:
            self._known.get((kind, url), {}).pop(version, None)
        self.cache.clear()

    def find(self, kind: str, canonical: str) -> Resource | None:
        """The resource of this type and canonical, or None."""
        url, version = split(canonical)
        versions = self._known.get((kind, url))
        if versions:
            if version:
                exact = versions.get(version)
                if exact is not None:
                    return exact
                starts = [each for each in versions if each.startswith(version + ".")]
                if starts:
                    return versions[max(starts, key=age)]
            else:
                return versions[max(versions, key=age)]
        if self._above is not None:
            found = self._above.find(kind, canonical)
            if found is not None:
                return found
        if version and not (version.startswith("4.0") or kind != "StructureDefinition"):
            return None
        return _built_in(kind, url)

    def global_profiles(self, kind: str) -> list[str]:
        """The profiles that the implementation guides given to this registry set for all resources of a type (R4, global)."""
        found: list[str] | None = self.cache.get(("global", kind))
        if found is None:
            found = [] if self._above is None else list(self._above.global_profiles(kind))
            for (name, _), versions in self._known.items():
                if name == "ImplementationGuide":
                    for line in versions[max(versions, key=age)].get("global", ()):
                        if line.get("type") == kind and isinstance(line.get("profile"), str):
                            found.append(line["profile"])
            self.cache["global", kind] = found
        return found

    def resource(self, kind: str, ident: str) -> Resource | None:
        """A resource given to this registry, by type and id: what references may point at."""
        return self._by_id.get((kind, ident))

    def structure(self, canonical: str) -> Resource | None:
        """The StructureDefinition with this canonical."""
        return self.find("StructureDefinition", canonical)

    def value_set(self, canonical: str) -> Resource | None:
        """The ValueSet with this canonical."""
        return self.find("ValueSet", canonical)

    def code_system(self, canonical: str) -> Resource | None:
        """The CodeSystem with this canonical."""
        return self.find("CodeSystem", canonical)

    def load_package(self, package: Path | bytes | BinaryIO) -> int:
        """Load the conformance resources of a FHIR package (`.tgz`); how many.

        Raises BadPackage (400) for what is not one, or is a bomb; the registry is then as it was.
        """
        found = list(conformance_of(package))
        for each in found:
            self.add(each)
        return len(found)


def conformance_of(package: Path | bytes | BinaryIO) -> Iterator[dict[str, Any]]:
    """The conformance resources of a FHIR package, examples left out. Raises BadPackage, maybe after some were given."""
    if isinstance(package, Path):
        with package.open("rb") as stream:
            yield from conformance_of(stream)
        return
    source = io.BytesIO(package) if isinstance(package, bytes) else package
    size = count = 0
    try:
        with tarfile.open(fileobj=source, mode="r:gz") as archive:
            for member in archive:
                size += member.size
                count += 1
                if size > MAX_PACKAGE or count > MAX_FILES:
                    raise BadPackage("Ce paquet FHIR est trop gros une fois décompressé : il est refusé.")
                parts = member.name.split("/")
                if not member.isfile() or parts[0] != "package" or not member.name.endswith(".json"):
                    continue
                if parts[-1] in ("package.json", ".index.json") or "example" in parts[1:-1]:
                    continue
                file = archive.extractfile(member)
                resource = json.loads(file.read()) if file is not None else {}
                if str(resource.get("resourceType")) in KEPT:
                    yield resource
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError):
        raise BadPackage(
            "Ce fichier n'est pas un paquet FHIR (.tgz) : un dossier « package » compressé est attendu."
        ) from None


def _built_in(kind: str, url: str) -> Resource | None:
    if kind == "StructureDefinition":
        return definitions.structure(url)
    if kind == "ValueSet":
        return definitions.value_set(url)
    return definitions.code_system(url) if kind == "CodeSystem" else None
