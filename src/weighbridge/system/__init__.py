"""What this machine is and does: description, telemetry, GPUs."""
