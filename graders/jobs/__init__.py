"""Fine-tuning jobs as local dry runs, in one folder on disk with the files they read."""

from graders.jobs.option import RunOptions
from graders.jobs.request import JobRequest
from graders.jobs.run import JobProgress, run_job
from graders.jobs.store import Store, default_data_dir
from graders.wire.error import ApiError

__all__ = [
    "ApiError",
    "JobProgress",
    "JobRequest",
    "RunOptions",
    "Store",
    "default_data_dir",
    "run_job",
]
