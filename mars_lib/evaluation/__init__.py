"""Metrics and statistics; they import neither reward, policy, encoders nor separator."""
