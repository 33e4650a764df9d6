"""The Model Context Protocol at /mcp: tools with which a model searches, asks and reads (docs/clients.md)."""
