"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): bodies of the two media types that OpenAPI cannot describe."""

from __future__ import annotations

import io

import numpy as np
import schemathesis
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

FLOAT32 = st.floats(-(2.0**99), 2.0**99, width=32)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def csv(rows: list[list[float]]) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in rows).encode()


schemathesis.openapi.media_type(
    "application/x-npy",
    st_numpy.arrays("<f4", st.tuples(st.integers(1, 5), st.just(4)), elements=FLOAT32).map(npy),
)
schemathesis.openapi.media_type(
    "text/csv", st.lists(st.lists(FLOAT32, min_size=4, max_size=4), min_size=1, max_size=5).map(csv)
)
