"""What outlives a session: its record."""
