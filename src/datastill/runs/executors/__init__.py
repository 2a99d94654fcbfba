"""Pieces of a run, carried out side by side: by processes here, by Ray, by whatever has a submit.

The parts of a run that are independent (``spec.units()``) are handed to an executor, come back in
any order, and lie in the folder of the run until the whole takes them. Draws have addresses, so
that it comes to the same bits wherever they were computed, if all compute alike: by the same
instructions, and as many threads.
"""

# Nothing is imported here: a worker begins with `beginning`, which tells what cannot be imported.
