"""A benchmark of dispatch language: a gazetteer with real administrative names, and texts with named noise over it.

The generator draws a place or a point from the geometry first and then finds words for it; it alone decides which texts
can be resolved.  It knows nothing of how geo_service reads an address.  `python -m benchmarks.dispatch --out DIR`
writes the tables; docs/dispatch-benchmark.md explains them.
"""
