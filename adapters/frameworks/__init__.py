"""Frameworks: one short file for each backend, and how each stores its weights."""
