"""Background fits: RQ carries a tenant and a fit's id, the fit's record is the truth.

queue     puts fits into RQ and takes them out again
worker    the parent process: takes a job, forks a work-horse, watches it
horse     the work-horse: computes one attempt of one fit, within its limits
notes     what a worker that stops leaves on its machine, should the store be away
recovery  finds what dead workers left, and rebuilds the queue from the records
"""
