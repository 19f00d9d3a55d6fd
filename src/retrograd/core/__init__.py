"""The engine without mathematics: one door (`apply`), the interpreters behind it, cells, the reverse sweep, trees."""
