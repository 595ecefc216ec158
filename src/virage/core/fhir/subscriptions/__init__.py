"""Subscriptions: who asked to hear of changes, what each is told, and how it went. How: docs/understand/subscriptions.md."""
