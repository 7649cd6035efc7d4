"""Fine-tuning jobs as local dry runs, and the files they read, in one folder on disk."""

from graders.jobs.error import ApiError
from graders.jobs.option import RunOptions
from graders.jobs.request import JobRequest
from graders.jobs.run import Progress, run_job
from graders.jobs.store import Store, default_data_dir

__all__ = [
    "ApiError",
    "JobRequest",
    "Progress",
    "RunOptions",
    "Store",
    "default_data_dir",
    "run_job",
]
