"""Start, probe and stop model servers; one adapter for each kind of server."""
