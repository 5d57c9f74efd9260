"""The history of results: recorded as they finish, read as a list over time."""
