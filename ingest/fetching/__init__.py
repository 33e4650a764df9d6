"""Fetching: whatever goes out to an address that somebody named goes through the guards of this room."""
