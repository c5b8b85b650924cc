"""Training rows that a language model writes or translates, over any API that speaks OpenAI's chat completions."""
