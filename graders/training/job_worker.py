"""The process that a server starts for a job that trains: it checks it, and follows the one that trains."""

from __future__ import annotations

from graders.jobs.run import fail_job
from graders.jobs.worker import work
from graders.training.run import train_job

__all__ = ["main"]


def main() -> None:
    """Train the job that the arguments name."""
    work(train_job, fail_job)


if __name__ == "__main__":
    main()
