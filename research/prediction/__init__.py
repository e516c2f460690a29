"""Applies a network to what a user gives it: one file per task, found by its name.

`scripts/predict.py` opens a run, or published weights, and asks the file of that task.
It defines

  add_arguments(parser)        the options of its own
  of_run(opened, options)      rows of answers, JSON values each; `opened` is a
                               `research.training.run.Run`
  of_weights(options)          the same with published weights; absent where the task
                               has none
  show(rows, options)          prints the rows for a reader, as they come
"""
