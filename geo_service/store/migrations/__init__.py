"""The migrations: how a database of an earlier program becomes one of this program, step by step.

Files are named pre_… when the former program still works after them (something new appears), post_… when only the new
one does (something old goes).  They form one line in the order of their numbers.  A file that was released is never
changed; what it makes is written out in it and not taken from tables.py, which moves on.  opening.migrate runs them.
"""
