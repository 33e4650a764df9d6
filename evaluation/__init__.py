"""Measures the product through its own parts: data sets with known answers, and caches that make a second run cheap."""
