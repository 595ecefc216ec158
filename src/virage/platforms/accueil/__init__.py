"""The front door: the public home and the page for software vendors. They say what is open today, and nothing more.

Leaves out for now: the figures of the roadmap, consultations, the directory's public search, observatories.
"""
