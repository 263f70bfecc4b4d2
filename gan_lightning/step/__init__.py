"""The parts of a training step: data types, schedules, seeds, gradients, and the moving average of the generator."""
