"""Texts with light markup, and HTML."""
