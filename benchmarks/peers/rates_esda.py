"""Smoothed rates of esda in a process of its own.

Each line on standard input is answered when it is done:

    load FOLDER        reads FOLDER/places.npy: a row of events, one of exposure
    rates TIMES        smooths so many times, as esda's documentation shows; the last answer is kept
    save PATH          writes it as .npy

Not named after its benchmark: a warnings.py beside it would stand before the standard library's.
"""

import sys

import numpy as np
from esda.smoothing import Empirical_Bayes


def main() -> None:
    """Obey."""
    events = exposure = rate = np.empty(0)
    for line in sys.stdin:
        word, said = line.split()
        if word == "load":
            events, exposure = np.load(f"{said}/places.npy")
        elif word == "rates":
            for _ in range(int(said)):
                rate = Empirical_Bayes(events, exposure).r
        else:
            np.save(said, rate.ravel())
        print("done", flush=True)


main()
