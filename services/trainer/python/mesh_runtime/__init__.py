"""The part of training that is Python: one process per job, told what to do by one line, telling what happens by events."""
