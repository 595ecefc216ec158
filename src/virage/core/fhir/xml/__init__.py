"""FHIR XML to and from the JSON form, both ways without loss, guided by the definitions of R4.

`loads` and `dumps` mirror those of `virage.core.fhir.json`. Decimals keep their text, attribute values their white space,
the narrative its markup. Reading is safe: no DTD, no entity, no network, bounded depth. What R4 says of XML:
https://hl7.org/fhir/R4/xml.html.
"""

from virage.core.fhir.xml.form import MalformedXml
from virage.core.fhir.xml.reading import loads, read
from virage.core.fhir.xml.writing import dumps

__all__ = ["MalformedXml", "dumps", "loads", "read"]
