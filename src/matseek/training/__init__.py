"""Where networks are trained: the trainer's settings, and the processes that train together."""
