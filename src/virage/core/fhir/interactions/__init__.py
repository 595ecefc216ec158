"""The interactions of the table in `router`, a few lines each."""
