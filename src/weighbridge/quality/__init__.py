"""Model quality: multiple-choice questions asked by lm-evaluation-harness, and their scores."""
