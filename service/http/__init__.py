"""The HTTP service: the app, its routes, and what surrounds every request."""
