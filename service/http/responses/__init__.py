"""Responses of the HTTP API: these models describe what goes out.

What is sent is made by an `…_as_json` of its own; the models here say in the OpenAPI document what that is, and a test
holds them to it.
"""
