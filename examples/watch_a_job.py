"""Run a fusion as a job, watch it, and call it off: python examples/watch_a_job.py [FOLDER].

A job does what the command line does: it checks everything first, writes all files or none, and sends events. It runs
in a thread of its own. Writes into the current folder.
"""

import sys
from pathlib import Path

import allfocus

DEMO = Path(allfocus.__file__).parent / "demo_stack"


def listen(event: allfocus.Event) -> None:
    """Print what happens; called from the job's thread."""
    if event.kind == "plan":
        print("plan:", event.plan)
    elif event.kind == "progress" and event.done == event.total:
        print(f"{event.stage} done, {event.fraction:.0%} of all")
    elif event.kind == "note":
        print("note:", event.note)


def main() -> None:
    """Run one job to its end, and cancel another."""
    frames = [Path(sys.argv[1])] if len(sys.argv) > 1 else sorted(DEMO.glob("frame*.webp"))
    outputs = allfocus.Outputs(image=Path("sharp.png"), index_map=Path("index.png"), report=(Path("report.json"),))
    job = allfocus.Job(allfocus.JobRequest(frames=frames, outputs=outputs), listen)
    job.start()
    made = job.wait()
    for path, shows in made.files.items():
        print(f"{path}: {shows}")

    called_off = allfocus.Job(allfocus.JobRequest(frames=frames, outputs=allfocus.Outputs(image=Path("never.png"))))
    called_off.start()
    called_off.cancel()
    try:
        called_off.wait()
    except allfocus.Cancelled as error:
        print(error)


if __name__ == "__main__":
    main()
