"""Methods x scenes -> rows -> report: `datasets` reads scenes, `run` measures, `report` writes.

scenes = datasets.read_scenes(path)
rows = run.evaluate(scenes, methods=("network", "laplacian"), progress=...)
report.write_report(rows, folder, reference=path_of_csv)
"""
