"""Jobs: inputs, options and outputs in; events, files and a result out.

The command line, a page, a batch and a notebook run the same job: what belongs together, what contradicts what, which
file holds what, and what is worth saying is decided here and below, never in a door. `events` is the data, `checks`
what can be known before the work, `job` the work.
"""

from allfocus.jobs.events import Event, JobRequest, JobResult, Listener
from allfocus.jobs.job import Job

__all__ = ["Event", "Job", "JobRequest", "JobResult", "Listener"]
