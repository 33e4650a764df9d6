"""What the service tells of itself: Prometheus metrics, in registries of the app's own."""
