"""LoadGen as an issuer: its process, settings, schedule, amount of work and logs."""
