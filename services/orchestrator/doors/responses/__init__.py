"""OpenAI's Responses: documents for programs that speak it. docs/openai-responses.md says what is taken and given."""
