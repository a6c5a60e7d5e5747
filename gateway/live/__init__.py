"""The Gemini leg: a conversation over one link at a time."""
