"""The load client: a driver process that issues, worker processes that send, and the seam for issuers."""
