"""virage: the national e-health platform of the roadmap « Accélérer le virage numérique », as one program."""

__version__ = "0.1.0"
