"""Many stacks: found in folders, fused by workers, kept account of, and shown in one table and one page.

`find` and `tasks` say what there is to do, `ledger` what has been done, `work` does one stack in a worker, `cluster`
starts or finds the workers, `engine` hands them the stacks, and `summary` and `page` say what came of it. `watch` does
the same with stacks that still grow. Every stack is fused by the same `Job` as anywhere else.
"""
