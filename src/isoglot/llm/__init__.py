"""The client of OpenAI-compatible services."""
