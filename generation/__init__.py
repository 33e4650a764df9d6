"""Answers whose every sentence points at the place that supports it, or a refusal that says what was looked at."""
