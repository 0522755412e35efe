"""Cures that last: packages and settings, each with a journal entry by which it can be undone."""
