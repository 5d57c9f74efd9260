"""The load client: LoadGen in one process, HTTP workers in others."""
