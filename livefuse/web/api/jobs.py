"""Jobs: files to be swapped and models to be fetched, beside the live sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from livefuse.daemon.job import FileJobRequest, Job
from livefuse.web.api.told import Told, api_router
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class JobList(Told):
    jobs: list[Job]


def router(daemon: Daemon) -> APIRouter:
    """`/api/jobs`."""
    router = api_router("jobs")

    @router.get("/jobs")
    @control
    def list_jobs() -> JobList:
        """What waits, runs and has ended, oldest first."""
        return JobList(jobs=daemon.jobs.list())

    @router.post("/jobs", status_code=202)
    def create_job(body: FileJobRequest, response: Response) -> Job:
        """Queue a picture or video. One runs at a time, at the lowest priority, in a process of its own."""
        return accepted(daemon.jobs.add_file(body), response)

    @router.get("/jobs/{job_id}")
    @control
    def get_job(job_id: str) -> Job:
        """How far a job is, or why it failed."""
        return daemon.jobs.get(job_id)

    @router.delete("/jobs/{job_id}")
    @control
    def cancel_job(job_id: str) -> Job:
        """Take a job out of the queue, or stop it, which takes a moment; one that has ended is forgotten."""
        return daemon.jobs.cancel(job_id)

    @router.post("/jobs/{job_id}/retry", status_code=202)
    @control
    def retry_job(job_id: str, response: Response) -> Job:
        """Queue a job that failed or was stopped anew, under a new id."""
        return accepted(daemon.jobs.retry(job_id), response)

    return router


def accepted(job: Job, response: Response) -> Job:
    """Says where to ask how far it is."""
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job
