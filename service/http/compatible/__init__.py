"""What clients of OpenAI's API expect: model ids, conversations, completions and chunks (docs/clients.md)."""
