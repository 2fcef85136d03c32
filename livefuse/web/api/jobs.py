"""Jobs: files to be swapped, models to be fetched and measured, beside the live sessions."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import Field

from livefuse.daemon.job import FileJobRequest, Job
from livefuse.daemon.job_files import result_of
from livefuse.daemon.job_still import still_of
from livefuse.web.api.told import Asked, Told, api_router
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file, as an attachment.", "content": {"*/*": {}}},
    206: {"description": "The part of it that was asked for."},
}
_JPEG: dict[int | str, dict[str, Any]] = {200: {"description": "A JPEG.", "content": {"image/jpeg": {}}}}


class JobList(Told):
    jobs: list[Job] = Field(description="those that wait stand in the order in which they will run")


class Place(Asked):
    place: int = Field(ge=0, le=10_000, description="among those of its kind that wait; 0 comes next")


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

    @router.post("/jobs/{job_id}/move")
    @control
    def move_job(job_id: str, body: Place) -> Job:
        """Have a waiting job come earlier or later among those of its kind that wait."""
        return daemon.jobs.move(job_id, body.place)

    @router.get("/jobs/{job_id}/result", response_class=FileResponse, responses=_FILE)
    def get_job_result(job_id: str) -> FileResponse:
        """The file that a job has written. Ranges are answered, so that a download that broke off goes on."""
        path = result_of(daemon.jobs.get(job_id))
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, filename=path.name, headers={"Cache-Control": "no-store"})

    @router.get("/jobs/{job_id}/preview", response_class=Response, responses=_JPEG)
    def get_job_preview(job_id: str) -> Response:
        """A small still of a job's result."""
        jpeg = still_of(result_of(daemon.jobs.get(job_id)))
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    return router


def accepted(job: Job, response: Response) -> Job:
    """Says where to ask how far it is."""
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job
