"""One module a step, in the order their revisions give."""
