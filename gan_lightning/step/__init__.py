"""What one training step is made of: its data types, schedules, seeds and the running average of the generator."""
