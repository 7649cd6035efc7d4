"""Fine-tuning jobs as local dry runs, and the files they read, in one folder on disk."""

from graders.jobs.error import ApiError
from graders.jobs.request import JobRequest
from graders.jobs.store import Store, default_data_dir

__all__ = ["ApiError", "JobRequest", "Store", "default_data_dir"]
