"""Webhooks: what has happened, told to an address that a caller named, signed, and never to where it should not go."""
