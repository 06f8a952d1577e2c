"""Learning rate schedules: the learning rate as a function of the optimizer step."""
