"""Much at once: $export and $import in the background, $expunge of a patient, $lastn. How: docs/understand/bulk.md."""
