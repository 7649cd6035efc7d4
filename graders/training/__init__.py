"""Jobs that train a model of the user's, by TRL in a process of its own (extra `train`)."""

from graders.training.option import TrainingOptions, TrainRun
from graders.training.run import create_job, train_job

__all__ = ["TrainRun", "TrainingOptions", "create_job", "train_job"]
