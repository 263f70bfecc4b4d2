"""Training in several processes: start, agreement before the first step, common end."""
