"""Numbers in words: with as many digits as it takes to tell them from what they should be."""

import numpy as np

NEAR = 1e-3  # of 1, from which on a factor is told as one


def factor(number: float) -> str:
    """A factor with six digits; where it is nearly 1, with two digits of what it is off by."""
    off = abs(number - 1)
    if not 0 < off < NEAR:
        return f"{number:.6g}"
    digits = 1 - int(np.floor(np.log10(off)))
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")


def apart(found: float, given: float) -> tuple[str, str]:
    """Two numbers with six digits, or as many more as it takes to tell them apart."""
    for digits in (6, 9, 12, 17):
        texts = f"{found:.{digits}g}", f"{given:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts
